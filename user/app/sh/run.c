// SPDX-License-Identifier: MIT
/*
 * Running a parsed line. A pipeline is a job: its processes share a group when the shell does job control, so that
 * Ctrl-C, which vm delivers to the foreground group, ends the job and leaves the shell. A job comes to the foreground
 * when all its processes are there: vm keeps what was typed before, and no process misses it. While nothing runs, no
 * group is in the foreground.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <abi/stubs.h>
#include <abi/vm_client.h>

#include "sh.h"

#define JOBS      32
#define SAVED_FDS 10
#define NO_GROUP  0

struct shell shell;

static struct {
	pid_t pid; // 0: free
	char text[48];
} jobs[JOBS];

void message(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	fputs("sh: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	fflush(stderr);
	va_end(ap);
}

static const char *variable(const char *name)
{
	static char number[16];

	if (isdigit((unsigned char)*name))
		return *name - '0' < shell.count ? shell.args[*name - '0'] : NULL;
	if (name[1] || !strchr("?$!#", *name))
		return getenv(name);
	snprintf(number, sizeof(number), "%d",
		 *name == '?'   ? shell.status
		 : *name == '$' ? (int)shell.pid
		 : *name == '!' ? (int)shell.last_background
				: (shell.count ? shell.count - 1 : 0));
	return number;
}

static struct expand_env environment(void)
{
	return (struct expand_env){ variable, glob_names, shell.args + 1, shell.count ? shell.count - 1 : 0 };
}

// NAME=... : the length of NAME; 0: it is not an assignment.
static size_t assignment(const char *word)
{
	size_t len = 0;

	if (isdigit((unsigned char)*word))
		return 0;
	while (isalnum((unsigned char)word[len]) || word[len] == '_')
		len++;
	return word[len] == '=' ? len : 0;
}

static void assign(const char *word, size_t name_len)
{
	struct expand_env env = environment();
	struct strings value = { 0 };
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)name_len, word);
	expand_word(&env, word + name_len + 1, true, &value);
	setenv(name, value.item[0], 1);
	strings_free(&value);
}

static bool redirect_open(const struct redirect *r, const char *name)
{
	static const int flags[] = {
		[REDIRECT_IN] = O_RDONLY,
		[REDIRECT_OUT] = O_WRONLY | O_CREAT | O_TRUNC,
		[REDIRECT_APPEND] = O_WRONLY | O_CREAT | O_APPEND,
	};
	int fd;

	if (r->kind == REDIRECT_DUP) {
		if (isdigit((unsigned char)name[0]) && !name[1] && dup2(name[0] - '0', r->fd) >= 0)
			return true;
		message("%d>&%s: not an open descriptor", r->fd, name);
		return false;
	}
	fd = open(name, flags[r->kind], 0666);
	if (fd < 0) {
		message("%s: %s", name, strerror(errno));
		return false;
	}
	if (fd != r->fd) {
		dup2(fd, r->fd);
		close(fd);
	}
	return true;
}

static bool redirects_apply(const struct redirect *r)
{
	struct expand_env env = environment();
	bool good = true;

	for (; r && good; r = r->next) {
		struct strings name = { 0 };

		expand_word(&env, r->word, true, &name);
		good = redirect_open(r, name.item[0]);
		strings_free(&name);
	}
	return good;
}

static void saved_restore(const int saved[SAVED_FDS])
{
	for (int fd = 0; fd < SAVED_FDS; fd++) {
		if (saved[fd] == -1)
			continue;
		if (saved[fd] == -2) {
			close(fd);
			continue;
		}
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
}

// A builtin (or nothing but redirections) in the shell itself: its descriptors come back afterwards.
static int run_here(const struct command *command, builtin_fn *run, struct strings *words)
{
	int saved[SAVED_FDS], status = 1;

	for (int fd = 0; fd < SAVED_FDS; fd++)
		saved[fd] = -1;
	fflush(NULL);
	for (const struct redirect *r = command->redirects; r; r = r->next)
		if (saved[r->fd] == -1) {
			saved[r->fd] = fcntl(r->fd, F_DUPFD_CLOEXEC, SAVED_FDS);
			if (saved[r->fd] < 0)
				saved[r->fd] = -2;
		}
	if (redirects_apply(command->redirects))
		status = run ? run(words->count, words->item) : 0;
	fflush(NULL);
	saved_restore(saved);
	return status;
}

static int exec_failed(const char *name)
{
	if (errno == ENOENT && !strchr(name, '/'))
		message("%s: not found in /bin (try: help)", name);
	else if (errno == ENOEXEC)
		message("%s: is not a program that this machine runs", name);
	else
		message("%s: %s", name, strerror(errno));
	return errno == ENOENT ? 127 : 126;
}

// In the child: assignments, redirections, then the builtin or the program.
_Noreturn static void run_child(const struct command *command)
{
	struct expand_env env = environment();
	struct strings words = { 0 };
	builtin_fn *run;
	int i = 0;

	shell.interactive = shell.jobs = shell.first = false;
	for (; i < command->count && assignment(command->words[i]); i++)
		assign(command->words[i], assignment(command->words[i]));
	for (; i < command->count; i++)
		expand_word(&env, command->words[i], false, &words);
	if (!redirects_apply(command->redirects))
		_exit(1);
	if (!words.count)
		_exit(0);
	run = builtin_find(words.item[0]);
	if (run)
		exit(run(words.count, words.item));
	execvp(words.item[0], words.item);
	_exit(exec_failed(words.item[0]));
}

static void foreground(pid_t group)
{
	if (shell.jobs)
		tcsetpgrp(STDIN_FILENO, group);
}

bool interrupt_take(void)
{
	u64 interrupted = 0;

	return shell.jobs && !vm_foreground(SLOT_VM, NO_GROUP, &interrupted) && interrupted;
}

static int status_of(int word, pid_t pid, const char *name)
{
	if (!WIFSIGNALED(word))
		return WEXITSTATUS(word);
	if (WTERMSIG(word) == SIGINT) {
		fputs("\n", stderr);
		shell.interrupted = true;
	} else {
		message("%s (pid %d): ended by signal %d%s", name, (int)pid, WTERMSIG(word),
			WTERMSIG(word) == SIGKILL   ? ": killed, or out of memory"
			: WTERMSIG(word) == SIGSEGV ? ": bad address"
			: WTERMSIG(word) == SIGBUS  ? ": bus error, or a page that the disk has lost"
			: WTERMSIG(word) == SIGILL  ? ": illegal instruction"
			: WTERMSIG(word) == SIGABRT ? ": abort"
						    : "");
	}
	return 128 + WTERMSIG(word);
}

// One process of a pipeline. `in` becomes its standard input, `out` its standard output (-1: as they are).
static pid_t process_start(const struct command *command, pid_t group, int in, int out, int unused)
{
	pid_t pid = fork();

	if (pid) {
		if (pid > 0 && shell.jobs)
			setpgid(pid, group ? group : pid);
		return pid;
	}
	if (shell.jobs)
		setpgid(0, group);
	if (unused >= 0)
		close(unused);
	if (in >= 0) {
		dup2(in, STDIN_FILENO);
		close(in);
	}
	if (out >= 0) {
		dup2(out, STDOUT_FILENO);
		close(out);
	}
	run_child(command);
}

// Wait for the processes of a job; its status is that of the last one.
static int job_wait(const pid_t *pids, int count, const char *name)
{
	int status = 0, word;

	for (int i = 0; i < count; i++)
		if (waitpid(pids[i], &word, 0) == pids[i])
			status = status_of(word, pids[i], name);
	return status;
}

#define PIPELINE_MAX 16

static int run_processes(const struct command *command)
{
	const char *name = command->count ? command->words[0] : "job";
	pid_t pids[PIPELINE_MAX];
	int count = 0, in = -1, status;
	bool failed = false;

	fflush(NULL);
	for (; command && !failed && count < PIPELINE_MAX; command = command->next) {
		int ends[2] = { -1, -1 };
		pid_t pid = -1;

		if (!command->next || pipe(ends) == 0)
			pid = process_start(command, count ? pids[0] : 0, in, ends[1], ends[0]);
		if (pid < 0) {
			message("%s: cannot start: %s", command->count ? command->words[0] : "job", strerror(errno));
			failed = true;
		} else {
			pids[count++] = pid;
		}
		if (in >= 0)
			close(in);
		if (ends[1] >= 0)
			close(ends[1]);
		in = ends[0];
	}
	if (in >= 0)
		close(in);
	if (command && !failed) {
		message("a pipeline has at most %d commands", PIPELINE_MAX);
		failed = true;
	}
	if (count)
		foreground(pids[0]);
	status = job_wait(pids, count, name);
	if (interrupt_take())
		shell.interrupted = true;
	return failed ? 1 : status;
}

// A single command that is nothing but assignments, redirections or a builtin runs here. false: it needs a process.
static bool run_single(const struct command *command, int *status)
{
	struct expand_env env = environment();
	struct strings words = { 0 };
	builtin_fn *run = NULL;
	int first = 0;

	while (first < command->count && assignment(command->words[first]))
		first++;
	if (first == command->count) {
		for (int i = 0; i < first; i++)
			assign(command->words[i], assignment(command->words[i]));
		*status = run_here(command, NULL, &words);
		return true;
	}
	if (first)
		return false;
	expand_word(&env, command->words[0], false, &words);
	if (words.count)
		run = builtin_find(words.item[0]);
	if (run) {
		for (int i = 1; i < command->count; i++)
			expand_word(&env, command->words[i], false, &words);
		*status = run_here(command, run, &words);
	}
	strings_free(&words);
	return run;
}

static void run_pipelines(const struct pipeline *p)
{
	for (; p && !shell.interrupted; p = p->next) {
		int status;

		if ((p->join == JOIN_AND && shell.status) || (p->join == JOIN_OR && !shell.status))
			continue;
		if (p->commands->next || !run_single(p->commands, &status))
			status = run_processes(p->commands);
		shell.status = p->negate ? !status : status;
	}
}

static void job_add(pid_t pid, const struct list *list)
{
	shell.last_background = pid;
	for (int i = 0; i < JOBS; i++)
		if (!jobs[i].pid) {
			jobs[i].pid = pid;
			snprintf(jobs[i].text, sizeof(jobs[i].text), "%.*s", list->text_len, list->text);
			break;
		}
	if (shell.interactive)
		fprintf(stderr, "[%d]\n", (int)pid);
}

static void run_background(const struct list *list)
{
	const struct pipeline *p = list->pipelines;
	int null;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		message("cannot start a background job: %s", strerror(errno));
		shell.status = 1;
		return;
	}
	if (pid > 0) {
		job_add(pid, list);
		shell.status = 0;
		return;
	}
	if (shell.jobs)
		setpgid(0, 0);
	shell.interactive = shell.jobs = shell.first = false;
	null = open("/dev/null", O_RDONLY);
	if (null > 0) {
		dup2(null, STDIN_FILENO);
		close(null);
	}
	if (!p->next && !p->negate && !p->commands->next)
		run_child(p->commands); /* $! is the program itself: kill ends it */
	run_pipelines(p);
	exit(shell.status);
}

void run_lists(const struct list *list)
{
	shell.interrupted = false;
	for (; list && !shell.interrupted; list = list->next) {
		if (list->background)
			run_background(list);
		else
			run_pipelines(list->pipelines);
	}
}

static void job_ended(pid_t pid, int word)
{
	for (int i = 0; i < JOBS; i++) {
		if (jobs[i].pid != pid)
			continue;
		jobs[i].pid = 0;
		if (shell.interactive && WIFEXITED(word))
			fprintf(stderr, "[%d] done, status %d: %s\n", (int)pid, WEXITSTATUS(word), jobs[i].text);
		else if (WIFSIGNALED(word))
			status_of(word, pid, jobs[i].text);
	}
}

void jobs_reap(void)
{
	int word;
	pid_t pid;

	while ((pid = waitpid(-1, &word, WNOHANG)) > 0)
		job_ended(pid, word);
}

void jobs_wait(void)
{
	int word;
	pid_t pid;

	while ((pid = wait(&word)) > 0)
		job_ended(pid, word);
}

void run_line(const char *line)
{
	struct parse parse;

	if (parse_line(&parse, line)) {
		run_lists(parse.lists);
	} else {
		message("%s", parse.error);
		shell.status = 2;
	}
	parse_free(&parse);
}

// Lines are parsed one by one; one that is not complete (an open quote, a trailing |, && or backslash) takes the next
// one along.
static bool line_complete(const char *line)
{
	size_t len = strlen(line), slashes = 0;
	struct parse parse;
	bool more;

	while (len > 1 && line[len - 1] == '\n' && slashes < len - 1 && line[len - 2 - slashes] == '\\')
		slashes++;
	if (slashes % 2)
		return false;
	parse_line(&parse, line);
	more = parse.error[0] && parse.more;
	parse_free(&parse);
	return !more;
}

bool run_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	char *line = NULL, *text = NULL;
	size_t size = 0, len = 0;

	if (!f)
		return false;
	while (getline(&line, &size, f) > 0) {
		char *more = realloc(text, len + strlen(line) + 1);

		if (!more) {
			message("%s: no memory for its lines", path);
			shell.status = 2;
			break;
		}
		text = more;
		strcpy(text + len, line);
		if (!line_complete(text)) {
			len = strlen(text);
			continue;
		}
		len = 0;
		run_line(text);
	}
	if (len)
		run_line(text);
	free(line);
	free(text);
	fclose(f);
	return true;
}
