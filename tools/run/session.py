# SPDX-License-Identifier: MIT
"""Starts QEMU, carries its console, and finds out how the run ended.

The console passes through this program in both directions, so that it can hide the firmware's banner, keep a log,
notice a hang, and let Ctrl-C go to the guest. A run counts only with the kernel's last word,
`jjok: power off, status N`, and if QEMU reports the same N (machine.status_reported): its own exit status is 0 also when
the firmware shut the machine down, or after a triple fault.
"""
import contextlib
import ctypes
import dataclasses
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import termios
import time
import tty

import mkarchive
from run import disk, hang
from run.machine import ARCHITECTURES, qemu_command, status_reported

KEY_STOP = b"\x1d"  # Ctrl-]
LAST_WORD = re.compile(rb"jjok: power off, status (\d+)\s*\Z")  # behind whatever a program left on the line
# The firmware's banner is held back up to its last line (OpenSBI's; other firmware: to our first), but no longer than this.
FIRMWARE = re.compile(rb"(?m)\A(?:.*\n)*?(?:Boot HART MEDELEG.*\n|(?=jjok\b))")
BANNER_SECONDS = 3.0
BANNER_BYTES = 16384

NO_STATUS = 125   # the machine ended and nobody said how
TIMED_OUT = 124
STOPPED = 130


@dataclasses.dataclass
class Ending:
    status: int
    reason: str       # empty: the guest powered off and said so
    output: bytes
    seconds: float


def names_test(archive_list, text):
    """Does `text` (commands, and the kernel's command line) name a file of the guest's tests?"""
    guest_paths = (line.rpartition(":")[2] for line in archive_list.read_text().split())
    return any(path in text or re.search(rf"\b{re.escape(path.removeprefix('/bin/'))}\b", text) for path in guest_paths)


def archive_pack(settings, directory, commands):
    """Packs the boot archive of one run; commands (or None: an interactive shell) become /etc/rc, and what comes before
    them /etc/start."""
    archive = mkarchive.Archive()
    archive.list_add(settings.out / "archive.list")
    tests = settings.out / "archive-test.list"
    text = commands.decode(errors="replace") if isinstance(commands, bytes) else commands
    if tests.is_file() and (settings.tests or names_test(tests, f"{text} {settings.append}")):
        archive.list_add(tests)
    if settings.root:
        archive.tree_add(settings.root)
    if settings.swap and settings.swapon:
        archive.file_add("/etc/start", b"swapon -a\n")
    if commands is not None:
        archive.file_add("/etc/rc", commands.encode() if isinstance(commands, str) else commands)
    path = os.path.join(directory, "archive")
    with open(path, "wb") as file:
        file.write(archive.pack())
    return path


def child_dies_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Console:
    """The guest's output on its way to the log and to the reader."""

    def __init__(self, sink, raw, show_firmware):
        self.sink = sink                 # binary file or None
        self.raw = raw                   # the sink is a terminal in raw mode
        self.output = bytearray()
        self.shown = 0 if show_firmware else None
        self.started = time.monotonic()

    def feed(self, data):
        self.output += data
        self.show()

    def show(self, at_end=False):
        if self.shown is None:
            firmware = FIRMWARE.match(self.output)
            late = time.monotonic() - self.started > BANNER_SECONDS or len(self.output) > BANNER_BYTES
            if firmware:
                self.shown = firmware.end()
            elif late or at_end:
                self.shown = 0
            else:
                return
        if self.sink:
            # A lone \r at the end waits: its \n may come with the next piece.
            end = len(self.output) - (not at_end and self.output.endswith(b"\r"))
            piece = bytes(self.output[self.shown:end])
            self.shown = end
            self.sink.write(piece if self.raw else piece.replace(b"\r\n", b"\n"))
            self.sink.flush()


class Typist:
    """Types for a test: waits for a pattern in the output, then sends its keys, then waits for the next."""

    def __init__(self, steps):
        self.steps = list(steps)         # (compiled pattern, keys)
        self.seen = 0

    def keys(self, output):
        if not self.steps:
            return b""
        match = self.steps[0][0].search(output, self.seen)
        if not match:
            return b""
        self.seen = match.end()
        return self.steps.pop(0)[1]


@contextlib.contextmanager
def terminal_raw(fd):
    saved = termios.tcgetattr(fd)
    try:
        tty.setraw(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSAFLUSH, saved)


def keys_send(qemu, keys):
    with contextlib.suppress(BrokenPipeError):
        os.write(qemu.stdin.fileno(), keys)


def pump(qemu, console, keyboard, typist, deadline):
    """Carries bytes until QEMU closes its output. Answers why it stopped early: "", "timeout" or "key"."""
    with selectors.DefaultSelector() as selector:
        selector.register(qemu.stdout, selectors.EVENT_READ)
        if keyboard is not None:
            selector.register(keyboard, selectors.EVENT_READ)
        while True:
            wait = BANNER_SECONDS if deadline is None else max(0.0, min(BANNER_SECONDS, deadline - time.monotonic()))
            for key, _ in selector.select(wait):
                data = os.read(key.fd, 65536)
                if key.fileobj is qemu.stdout:
                    if not data:
                        return ""
                    console.feed(data)
                    if typist:
                        keys_send(qemu, typist.keys(console.output))
                elif KEY_STOP in data:
                    return "key"
                elif not data:
                    selector.unregister(keyboard)
                else:
                    keys_send(qemu, data)
            console.show()
            if deadline is not None and time.monotonic() >= deadline:
                return "timeout"


def ending_of(early, returncode, output, reported):
    """The status and what is wrong with it. `reported`: the guest's status by another way than the console, or None."""
    word = LAST_WORD.search(output)
    if early == "key":
        return STOPPED, "stopped from the keyboard"
    if early == "timeout":
        return TIMED_OUT, "did not end in time and was stopped"
    if not word:
        return NO_STATUS, f"ended without a status (QEMU's was {returncode}): the guest did not power off by itself"
    if int(word.group(1)) & 0xFF != reported:
        said = "no status" if reported is None else f"status {reported}"
        return NO_STATUS, f"said status {int(word.group(1))} but QEMU reports {said} (and ended with {returncode})"
    return reported, ""


def run(command, sink=None, interactive=False, typist=None, timeout=None, show_firmware=False, beside=None,
        status_of=lambda returncode: returncode, at_timeout=lambda: ""):
    """Runs a QEMU command to its end. `beside(process)` may start a helper; it answers a function called at the end.
    `status_of(QEMU's exit status)` is the guest's, or None. What `at_timeout()` has to say goes behind the output."""
    command = [*command, "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console", "-monitor", "none"]
    console = Console(sink, interactive, show_firmware)
    started = time.monotonic()
    qemu = subprocess.Popen(command, stdin=subprocess.PIPE if interactive or typist else subprocess.DEVNULL,
                            stdout=subprocess.PIPE, preexec_fn=child_dies_with_parent)
    finish = beside(qemu) if beside else None
    try:
        with terminal_raw(0) if interactive else contextlib.nullcontext():
            early = pump(qemu, console, 0 if interactive else None, typist, timeout and started + timeout)
            if early == "timeout":
                console.feed(at_timeout().encode())
            if early:
                qemu.kill()
            qemu.wait()
            if finish:
                finish()
    finally:
        qemu.kill()
        with contextlib.suppress(BrokenPipeError):
            qemu.__exit__(None, None, None)  # closes the pipes and waits
    status, reason = ending_of(early, qemu.returncode, bytes(console.output), status_of(qemu.returncode))
    console.show(at_end=True)
    return Ending(status, reason, bytes(console.output), time.monotonic() - started)


def run_settings(settings, commands, ram_file=None, show_firmware=False, **how):
    """Packs the archive, makes the disks and runs the machine that the settings describe."""
    disk.check(settings)
    show_firmware = show_firmware or not ARCHITECTURES[settings.arch].banner
    with tempfile.TemporaryDirectory(prefix="jjok-") as directory:
        archive = archive_pack(settings, directory, commands)
        command = qemu_command(settings, archive, ram_file) + disk.arguments(settings, directory)
        if how.get("timeout"):
            command += hang.arguments(directory)
        return run(command, show_firmware=show_firmware, at_timeout=lambda: hang.report(settings, directory),
                   status_of=lambda returncode: status_reported(settings, archive, returncode), **how)


def report(ending):
    if ending.reason:
        print(f"jjok: the machine {ending.reason}", file=sys.stderr)
    return ending.status
