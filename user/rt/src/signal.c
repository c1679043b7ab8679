// SPDX-License-Identifier: MIT
/*
 * Signals: a signal ends its process, always. There are no handlers and nothing to block, and whoever asks for one is
 * told so. SIGPIPE is never sent (write answers EPIPE), so ignoring it is granted.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "rt.h"

static err_t disposition_check(int sig, _sig_func_ptr handler)
{
	if (sig <= 0 || sig >= NSIG)
		return -ERR_INVAL;
	if (handler == SIG_DFL || (handler == SIG_IGN && sig == SIGPIPE))
		return 0;
	return -ERR_NOSYS;
}

_sig_func_ptr signal(int sig, _sig_func_ptr handler)
{
	err_t err = disposition_check(sig, handler);

	if (!err)
		return SIG_DFL;
	rt_fail(err);
	return SIG_ERR;
}

int sigaction(int sig, const struct sigaction *new, struct sigaction *old)
{
	err_t err = disposition_check(sig, new ? new->sa_handler : SIG_DFL);

	if (err)
		return rt_fail(err);
	if (old)
		*old = (struct sigaction){ .sa_handler = SIG_DFL };
	return 0;
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how;
	(void)set;
	if (old)
		sigemptyset(old);
	return 0;
}

int raise(int sig)
{
	int result = kill(getpid(), sig);

	// The kill was accepted: it takes effect before this process runs on, or the process ends here by its own hand.
	if (!result && sig)
		_exit(128 + sig);
	return result;
}
