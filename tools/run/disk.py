# SPDX-License-Identifier: MIT
"""The swap disks of a run: SWAP=64M makes a sparse image with mkswap's header that goes when the run ends, SWAP=PATH takes
an image as it is and keeps it; several, with commas, are vda, vdb and so on. For tests a disk can be slow or bad."""
import os
import re
import shutil
import subprocess

from run.machine import UsageError, memory_bytes

SIZE = re.compile(r"\d+[KMGkmg]?")
LEAST = 64 << 10
LARGEST = 1 << 40
UUID = "6a6a6f6b-0000-4000-8000-737761703030"  # the same in each run, so that runs can be the same
THROTTLE = {"iops": "iops-total", "iops-read": "iops-read", "iops-write": "iops-write", "bps": "bps-total"}
ERROR = re.compile(r"(read|write|flush)(?: sector (\d+))?(?: errno (\d+))?( once)?")


def swap_list(settings):
    return [word for word in settings.swap.split(",") if word]


def throttle_options(settings):
    """`iops=100 bps=1M` as QEMU's options."""
    options = []
    for word in settings.disk_throttle.split():
        name, equals, value = word.partition("=")
        if not equals or name not in THROTTLE:
            raise UsageError(f"disk-throttle: {word!r}: say one of {' '.join(THROTTLE)}, = and a number")
        options.append(f"throttling.{THROTTLE[name]}={memory_bytes(value) if value[-1:].isalpha() else int(value)}")
    return options


def error_options(settings):
    """`write sector 800 once`, one rule each, as rules of QEMU's blkdebug."""
    options = []
    for number, rule in enumerate(settings.disk_errors):
        match = ERROR.fullmatch(rule.strip())
        if not match:
            raise UsageError(f"disk-errors: {rule!r}: say read|write|flush [sector N] [errno N] [once]")
        kind, sector, errno, once = match.groups()
        prefix = f"file.inject-error.{number}."
        options += [f"{prefix}event=none", f"{prefix}iotype={kind}", f"{prefix}errno={errno or 5}"]
        options += [f"{prefix}sector={sector}"] if sector else []
        options += [f"{prefix}once=on"] if once else []
    return options


def check(settings):
    """Raises UsageError unless the disks can be made."""
    for word in swap_list(settings):
        if not SIZE.fullmatch(word):
            if not os.path.isfile(word):
                raise UsageError(f"SWAP={word}: neither a size, as in 256M, nor an image that is there")
        elif not LEAST <= memory_bytes(word) <= LARGEST:
            raise UsageError(f"SWAP={word}: from 64K to 1024G")
    if (settings.disk_throttle or settings.disk_errors) and not swap_list(settings):
        raise UsageError("disk-throttle and disk-errors are about the disk of SWAP=; there is none")
    throttle_options(settings)
    error_options(settings)


def image_make(path, size):
    mkswap = shutil.which("mkswap", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
    if not mkswap:
        raise UsageError("SWAP=: mkswap is missing; install Debian's util-linux")
    with open(path, "wb") as file:
        file.truncate(size)
    done = subprocess.run([mkswap, "--pagesize", "4096", "--label", "jjok", "--uuid", UUID, path],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise UsageError(f"SWAP=: mkswap: {done.stdout.strip()}")


def drive_options(settings, unit, path, temporary):
    """A failing request is the guest's business (werror, rerror); what a temporary image holds need not survive the host."""
    name = "vd" + chr(ord("a") + unit)
    file = path.replace(",", ",,")
    options = ["if=none", f"id={name}", "driver=raw", "werror=report", "rerror=report",
               f"cache={'unsafe' if temporary else 'writeback'}"]
    if settings.disk_errors:
        options += ["file.driver=blkdebug", "file.image.driver=file", f"file.image.filename={file}", *error_options(settings)]
    else:
        options += [f"file.filename={file}"]
    return name, ",".join(options + throttle_options(settings))


def arguments(settings, directory):
    """What QEMU's command line needs for the disks; their images are made in the directory."""
    command = []
    for unit, word in enumerate(swap_list(settings)):
        path, temporary = word, bool(SIZE.fullmatch(word))
        if temporary:
            path = os.path.join(directory, f"swap{unit}")
            image_make(path, memory_bytes(word))
        name, drive = drive_options(settings, unit, path, temporary)
        command += ["-drive", drive, "-device", f"virtio-blk-device,drive={name}"]
    return ["-global", "virtio-mmio.force-legacy=false", *command] if command else []
