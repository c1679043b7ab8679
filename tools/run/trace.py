# SPDX-License-Identifier: MIT
"""jjok trace: a run under icount whose RAM is a file, from which tools/trace/export.py drains the kernel's rings while
the guest runs (trace_wait=1: a full ring makes the kernel wait, so nothing is lost), then the summary."""
import contextlib
import dataclasses
import pathlib
import subprocess
import sys
import threading

from run import session
from run.machine import ROOT, memory_bytes

RING_SHARE = 32  # each hart's ring gets this part of the RAM


def arguments_for(settings):
    """What the kernel command line says unless the caller's does."""
    words = {"trace": "all", "trace_ring": str(memory_bytes(settings.mem) // RING_SHARE), "trace_wait": "1"}
    given = {word.partition("=")[0] for word in settings.append.split()}
    more = [f"{name}={value}" for name, value in words.items() if name not in given]
    return " ".join([settings.append, *more]).strip()


def abi_of(settings):
    return str(settings.out / "gen/abi/abi.json")


def exporter_start(qemu, ram, out, abi):
    """Starts the exporter. Should it fail, the guest would wait for it for ever: the machine is stopped then."""
    exporter = subprocess.Popen([sys.executable, str(ROOT / "tools/trace/export.py"), "--ram", str(ram),
                                 "--out", str(out), "--abi", abi, "--pid", str(qemu.pid)], stdout=sys.stderr)
    watcher = threading.Thread(target=lambda: exporter.wait() and qemu.kill(), daemon=True)
    watcher.start()
    return watcher, exporter


def record(settings, commands, out, **how):
    """Runs the machine and leaves its trace in the folder. Answers how the run ended and the exporter's status."""
    settings = dataclasses.replace(settings, icount=True, append=arguments_for(settings))
    out.mkdir(parents=True, exist_ok=True)
    ram = out / "ram"
    ram.unlink(missing_ok=True)
    started = []

    def beside(qemu):
        started.extend(exporter_start(qemu, ram, out, abi_of(settings)))
        return started[0].join
    try:
        ending = session.run_settings(settings, commands, ram_file=ram, beside=beside, **how)
    finally:
        with contextlib.suppress(FileNotFoundError):
            ram.unlink()
    return ending, started[1].returncode


def summarise(settings, out):
    """The summary's text and its status, which is 0 if the trace is complete and every fault is closed."""
    done = subprocess.run([sys.executable, str(ROOT / "tools/trace/summary.py"), str(out), "--abi", abi_of(settings)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout, done.returncode


def viewer_complaints(out):
    """What babeltrace2 has to say against the trace: nothing, if all is well."""
    done = subprocess.run(["babeltrace2", str(out / "ctf")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          check=False)
    return done.stderr.strip() or (f"babeltrace2 ended with {done.returncode}" if done.returncode else "")


def run(settings, commands, options):
    out = pathlib.Path(options.out) if options.out else settings.out / "trace"
    ending, exported = record(settings, commands, out, sink=sys.stdout.buffer, timeout=options.timeout,
                              show_firmware=options.firmware)
    if options.log:
        pathlib.Path(options.log).write_bytes(ending.output)
    status = session.report(ending)
    if exported:
        return exported
    text, summary = summarise(settings, out)
    print(text, flush=True)
    print(f"jjok: the trace is in {out / 'ctf'}; for example: babeltrace2 {out / 'ctf'} | less", file=sys.stderr)
    return status or summary
