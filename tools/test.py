#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the tests: host test programs (given as arguments), test/host/**/test_*.py, then the boots that
test/system/*.test describe (docs/build.md has the format). Ends with the line "N passed, N failed".

  test.py [--quick | --soak] [--only PATTERN] [--archs LIST] [HOST_TEST...]
"""
import argparse
import concurrent.futures
import contextlib
import dataclasses
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from run import disk, session, trace  # noqa: E402
from run.machine import ARCHITECTURES, ROOT, Settings, UsageError, arch_of_mode  # noqa: E402

SELF_CHECK = r"^jjok: self-check: ok\b"
ALWAYS_BAD = r"^(jjok: )?panic:"
FIELDS = {"about", "cmd", "type", "modes", "mem", "append", "smp", "timeout", "expect", "reject", "status", "icount",
          "root", "cc", "trace", "same", "summary", "swap", "swapon", "disk-throttle", "disk-errors"}
HOST_TIMEOUT = 600
LOG_TAIL = 25


@dataclasses.dataclass
class Result:
    name: str
    why: str        # empty: passed
    seconds: float
    log: pathlib.Path


def spec_read(path):
    """{field: [lines]} of a .test file."""
    spec, field = {}, None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace():
            if field is None:
                raise UsageError(f"{path}:{number}: a continued line without a field")
            spec[field].append(line.strip())
            continue
        field, colon, value = line.partition(":")
        if not colon or field not in FIELDS:
            raise UsageError(f"{path}:{number}: no such field; there are: {' '.join(sorted(FIELDS))}")
        spec.setdefault(field, [])
        if value.strip():
            spec[field].append(value.strip())
    return spec


def one(spec, field, default):
    return spec[field][0] if spec.get(field) else default


def typist_of(spec):
    steps = []
    for line in spec.get("type", []):
        pattern, arrow, keys = line.partition(" => ")
        if not arrow:
            raise UsageError(f"type: {line!r}: say PATTERN => KEYS")
        steps.append((re.compile(pattern.encode(), re.MULTILINE),
                      keys.encode().decode("unicode_escape").encode("latin-1")))
    return session.Typist(steps) if steps else None


def console_check(spec, ending):
    """Why the console's text is not what the test wants, or nothing."""
    if ending.reason:
        return ending.reason
    text = ending.output.decode(errors="replace").replace("\r\n", "\n")
    wanted = int(one(spec, "status", "0"))
    if ending.status != wanted:
        return f"status {ending.status}, expected {wanted}"
    for pattern in [*spec.get("reject", []), ALWAYS_BAD]:
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            return f"found what must not be there: {found.group(0)!r}"
    at = 0
    for pattern in spec.get("expect", []):
        found = re.compile(pattern, re.MULTILINE).search(text, at)
        if not found:
            return f"expected, not found (in this order): {pattern!r}"
        at = found.end()
    return "" if re.search(SELF_CHECK, text, re.MULTILINE) else "no self-check at power-off"


class Outside:
    """Programs built with jjok cc, once for each architecture."""

    def __init__(self):
        self.lock = threading.Lock()
        self.built = {}
        self.folder = None

    def program(self, source, arch):
        with self.lock:
            self.folder = self.folder or tempfile.TemporaryDirectory(prefix="jjok-cc-")
            path = f"{self.folder.name}/{arch}-{len(self.built)}"
            if (source, arch) not in self.built:
                self.built[source, arch] = self.build(source, arch, path)
            return self.built[source, arch]

    @staticmethod
    def build(source, arch, path):
        done = subprocess.run([ROOT / "tools/jjok", "cc", "-Wall", "-O2", str(ROOT / source), "-o", path],
                              env={**os.environ, "ARCH": arch}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise UsageError(f"jjok cc {source} for {arch}: {done.stdout.decode(errors='replace')}")
        return path


OUTSIDE = Outside()


@contextlib.contextmanager
def overlay(spec, settings):
    """The settings with a ROOT= that also holds the programs that the test builds with jjok cc."""
    if not spec.get("cc"):
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="jjok-test-") as folder:
        if settings.root:
            shutil.copytree(settings.root, folder, dirs_exist_ok=True)
        os.makedirs(folder + "/bin", exist_ok=True)
        for source in spec["cc"]:
            shutil.copy(OUTSIDE.program(source, settings.arch), f"{folder}/bin/{pathlib.Path(source).stem}")
        yield dataclasses.replace(settings, root=folder)


def trace_check(spec, settings, folder, exported):
    """Why the trace is not as promised, or nothing."""
    if exported:
        return f"the trace could not be exported (status {exported})"
    text, status = trace.summarise(settings, folder)
    (folder / "summary.txt").write_text(text)
    if status:
        return f"the trace is not consistent: {text.strip().splitlines()[-1]}"
    for pattern in spec.get("summary", []):
        if not re.search(pattern, text, re.MULTILINE):
            return f"expected in the trace's summary, not found: {pattern!r}"
    return trace.viewer_complaints(folder)


def boot_run(name, spec, settings, log):
    typist = typist_of(spec)
    commands = None if typist else "\n".join(spec.get("cmd", [])) + "\n"
    how = {"typist": typist, "timeout": float(one(spec, "timeout", "60"))}
    traced = one(spec, "trace", "no") == "yes"
    with overlay(spec, settings) as settings:
        if traced:
            ending, exported = trace.record(settings, commands, log.with_suffix(".trace"), **how)
        else:
            ending = session.run_settings(settings, commands, **how)
    log.write_bytes(ending.output)
    why = console_check(spec, ending) or (trace_check(spec, settings, log.with_suffix(".trace"), exported) if traced else "")
    return Result(name, why, ending.seconds, log)


def logical_lines(settings, folder):
    """What the trace in a folder says of memory management, without addresses. Complaints, if it does not."""
    done = subprocess.run([sys.executable, str(ROOT / "tools/trace/logical.py"), str(folder), "--abi", trace.abi_of(settings)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    (folder / "logical.txt").write_text(done.stdout)
    return done.stdout.splitlines(), done.stderr.strip()


def difference(first, other):
    """Where two sequences of lines part, in words; nothing if they are the same."""
    for number, (a, b) in enumerate(itertools.zip_longest(first, other, fillvalue="(the end)"), 1):
        if a != b:
            return f"line {number}: {a!r} and {b!r}"
    return ""


def same_run(name, least, jobs):
    """Boots one after the other; the logical traces of all must be the same, and have that many lines at least."""
    first = None
    seconds = 0.0
    for boot in jobs:
        boot_name, _, settings, log = boot
        result = boot_run(*boot)
        seconds += result.seconds
        if result.why:
            return Result(name, f"{boot_name}: {result.why}", seconds, log)
        lines, why = logical_lines(settings, log.with_suffix(".trace"))
        if not why and len(lines) < least:
            why = f"its logical trace has {len(lines)} lines, {least} are expected at least"
        first = first or (lines, boot_name)
        why = why or difference(first[0], lines)
        if why:
            return Result(name, f"{boot_name}, beside {first[1]}: {why}", seconds, log)
    return Result(name, "", seconds, log)


def modes_of(path, spec, archs):
    """(architecture, mode) of each boot; a mode tells its architecture."""
    modes = " ".join(spec.get("modes", [])).split() or [mode for arch in ARCHITECTURES.values() for mode in arch.modes]
    for mode in modes:
        if not arch_of_mode(mode):
            raise UsageError(f"{path}: modes: no architecture has {mode}")
    return [(arch_of_mode(mode), mode) for mode in modes if arch_of_mode(mode) in archs]


def boots(path, defaults, archs, logs):
    """The jobs of one .test file: one per mode and memory size, or one that compares them all."""
    spec = spec_read(path)
    mems = " ".join(spec.get("mem", [])).split() or ["128M"]
    jobs = []
    for (arch, mode), mem in itertools.product(modes_of(path, spec, archs), mems):
        root = one(spec, "root", "")
        settings = dataclasses.replace(defaults, arch=arch, mode=mode, mem=mem, smp=one(spec, "smp", "1"), tests="type" in spec,
                                       append=" ".join(["check=1", *spec.get("append", [])]),
                                       icount=one(spec, "icount", "no") == "yes", root=root and str(ROOT / root),
                                       swap=",".join(spec.get("swap", [])), swapon=one(spec, "swapon", "no") == "yes",
                                       disk_throttle=" ".join(spec.get("disk-throttle", [])),
                                       disk_errors=tuple(spec.get("disk-errors", [])))
        settings.check()
        disk.check(settings)
        name = f"{path.parent.name}/{path.stem} {mode} {mem}"
        jobs.append((name, spec, settings, logs / (name.replace("/", "-").replace(" ", "-") + ".log")))
    if jobs and "same" in spec:
        name = f"{path.parent.name}/{path.stem} " + "=".join(settings.mode for _, _, settings, _ in jobs)
        return [(name, same_run, (name, int(one(spec, "same", "1")), jobs))]
    return [(job[0], boot_run, job) for job in jobs]


def host_run(name, command, quick, log):
    started = time.monotonic()
    environment = {**os.environ, "JJOK_TEST": "quick" if quick else "full", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        with open(log, "wb") as file:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=ROOT,
                                    env=environment, timeout=HOST_TIMEOUT, check=False).returncode
        why = f"status {status}" if status else ""
    except subprocess.TimeoutExpired:
        why = f"did not end within {HOST_TIMEOUT} s"
    return Result(name, why, time.monotonic() - started, log)


def host_jobs(programs, quick, logs):
    for program in programs:
        name = "host/" + pathlib.Path(program).stem
        yield name, host_run, (name, [os.path.abspath(program)], quick, logs / (name.replace("/", "-") + ".log"))
    for path in sorted((ROOT / "test/host").rglob("test_*.py")):
        name = "host/" + path.stem
        yield name, host_run, (name, [sys.executable, str(path)], quick, logs / (name.replace("/", "-") + ".log"))


def show(result):
    print(f"{'FAIL' if result.why else 'ok':<5} {result.name:<48} {result.seconds:6.1f} s"
          + (f"  {result.why}" if result.why else ""), flush=True)
    if result.why and result.log.is_file():
        for line in result.log.read_text(errors="replace").splitlines()[-LOG_TAIL:]:
            print("      | " + line)
        print(f"      the whole of it: {result.log}", flush=True)


def jobs_run(jobs, workers):
    results = []
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(function, *arguments): name for name, function, arguments in jobs}
        for future in concurrent.futures.as_completed(futures):
            try:
                result = future.result()
            except Exception as error:  # a broken test must not hide the others
                result = Result(futures[future], f"could not be run: {error!r}", 0.0, pathlib.Path("/dev/null"))
            show(result)
            results.append(result)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="host tests only, in their short form")
    extent.add_argument("--soak", action="store_true", help="the boots of test/soak/*.test only, minutes each")
    parser.add_argument("--only", metavar="PATTERN", help="only tests whose name has this regular expression")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 4))
    parser.add_argument("--archs", default=" ".join(ARCHITECTURES), help="architectures whose system tests run")
    parser.add_argument("host_tests", nargs="*")
    options = parser.parse_args()
    defaults = Settings.from_environment()
    logs = defaults.out.parent / "test"
    logs.mkdir(parents=True, exist_ok=True)
    jobs = [] if options.soak else list(host_jobs(options.host_tests, options.quick, logs))
    try:
        if not options.quick:
            for path in sorted((ROOT / "test" / ("soak" if options.soak else "system")).glob("*.test")):
                jobs += boots(path, defaults, options.archs.split(), logs)
    except UsageError as error:
        sys.exit(f"test: {error}")
    jobs = [job for job in jobs if re.search(options.only or "", job[0])]
    started = time.monotonic()
    results = jobs_run(jobs, options.jobs)
    failed = [result.name for result in results if result.why]
    for name in failed:
        print(f"failed: {name}")
    print(f"({time.monotonic() - started:.0f} s)")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
