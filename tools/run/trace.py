# SPDX-License-Identifier: MIT
"""jjok trace: a run under icount whose RAM is a file, from which tools/trace/export.py drains the kernel's rings while
the guest runs (trace_wait=1: a full ring makes the kernel wait, so nothing is lost), then the summary."""
import contextlib
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


def exporter_start(qemu, ram, out, abi):
    """Starts the exporter. Should it fail, the guest would wait for it for ever: the machine is stopped then."""
    exporter = subprocess.Popen([sys.executable, str(ROOT / "tools/trace/export.py"), "--ram", str(ram),
                                 "--out", str(out), "--abi", str(abi), "--pid", str(qemu.pid)])
    watcher = threading.Thread(target=lambda: exporter.wait() and qemu.kill(), daemon=True)
    watcher.start()
    return watcher, exporter


def run(settings, commands, options):
    settings.icount = True
    settings.append = arguments_for(settings)
    out = pathlib.Path(options.out) if options.out else settings.out / "trace"
    out.mkdir(parents=True, exist_ok=True)
    ram = out / "ram"
    ram.unlink(missing_ok=True)
    started = []
    abi = settings.out / "gen/abi/abi.json"

    def beside(qemu):
        started.extend(exporter_start(qemu, ram, out, abi))
        return started[0].join
    try:
        ending = session.run_settings(settings, commands, ram_file=ram, sink=sys.stdout.buffer, timeout=options.timeout,
                                      show_firmware=options.firmware, beside=beside)
    finally:
        with contextlib.suppress(FileNotFoundError):
            ram.unlink()
    if options.log:
        pathlib.Path(options.log).write_bytes(ending.output)
    status = session.report(ending)
    exported = started[1].returncode
    if exported:
        return exported
    sys.stdout.flush()
    summary = subprocess.run([sys.executable, str(ROOT / "tools/trace/summary.py"), str(out), "--abi", str(abi)],
                             check=False).returncode
    print(f"jjok: the trace is in {out / 'ctf'}; for example: babeltrace2 {out / 'ctf'} | less", file=sys.stderr)
    return status or summary
