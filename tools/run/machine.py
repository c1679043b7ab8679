# SPDX-License-Identifier: MIT
"""What a machine is: the settings of a run, and the QEMU command that they make."""
import contextlib
import dataclasses
import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


class UsageError(Exception):
    """The caller asked for something that cannot be; the message says what to do."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    qemu: str
    machine: str
    arguments: tuple
    modes: tuple
    banner: bool = False  # the firmware says something before the kernel does
    look: str = ""        # gdb's command before it can read the kernel's memory, in whatever mode the machine was stopped
    switch: bool = False  # powers off through DEBUG_CONSOLE and DEBUG_EXIT; otherwise QEMU ends with the guest's status


# isa-debug-exit keeps seven bits of a status and cannot end QEMU with 0, but a triple fault can. So the kernel writes its
# status to a debug console of its own, which is a file here, and then ends QEMU with EXIT_SWITCHED: both or it is a failure.
EXIT_SWITCHED = 0x55
DEBUG_CONSOLE = ("-device", "isa-debugcon,iobase=0xe9,chardev=status")
DEBUG_EXIT = ("-device", "isa-debug-exit,iobase=0xf4,iosize=4")

# A device that no driver has: for the kernel's fuzzer.
SPARE = ("-device", "virtio-rng-device")

ARCHITECTURES = {
    "riscv64": Architecture("qemu-system-riscv64", "virt", ("-cpu", "rv64", "-bios", "default", *SPARE), ("sv39", "sv48", "sv57"),
                            banner=True, look="set $priv = 1"),
    # Devices are announced on the command line (virtio_mmio.device=), the rest is where PCs have it.
    "x86_64": Architecture("qemu-system-x86_64", "microvm,acpi=off,rtc=off,auto-kernel-cmdline=on",
                           ("-cpu", "max", *SPARE),
                           ("la48", "la57"), switch=True),
}
DEFAULT_ARCH = "riscv64"
# One guest instruction is one nanosecond; the seed fixes the device tree's rng-seed. Idle time is skipped up to the next
# timer, which may be the end of time: where the guest also waits for a disk, which answers in the host's time, idle time
# passes as the host's does.
ICOUNT = ("-icount", "shift=0,sleep=off", "-seed", "1")
ICOUNT_DISK = ("-icount", "shift=0,sleep=on", "-seed", "1")


def memory_bytes(text):
    match = re.fullmatch(r"(\d+)([KMG]?)", text.strip().upper())
    if not match:
        raise UsageError(f"MEM={text}: say a number and K, M or G, as in 128M")
    return int(match.group(1)) << {"": 20, "K": 10, "M": 20, "G": 30}[match.group(2)]


def arch_of_mode(mode):
    """The architecture that has this mode, or nothing."""
    return next((name for name, arch in ARCHITECTURES.items() if mode in arch.modes), "")


@dataclasses.dataclass
class Settings:
    """One run. Defaults come from the environment, where make puts its settings: `MEM=64M` is `--mem 64M`."""
    arch: str = DEFAULT_ARCH
    mode: str = ""
    mem: str = "128M"
    swap: str = ""
    swapon: bool = True  # its disks are in use from the start
    smp: int = 1
    root: str = ""
    append: str = ""
    build: str = "build"
    icount: bool = False
    tests: bool = False  # the guest's tests and benches go along, whatever is run
    disk_throttle: str = ""
    disk_errors: tuple = ()

    @classmethod
    def from_environment(cls):
        get = os.environ.get
        mode = get("MODE") or ""
        return cls(get("ARCH") or arch_of_mode(mode) or DEFAULT_ARCH, mode, get("MEM") or "128M", get("SWAP") or "", True,
                   get("SMP") or "1", get("ROOT") or "", get("APPEND") or "", get("BUILD") or "build")

    def check(self):
        """Raises UsageError unless the machine can be made."""
        if self.arch not in ARCHITECTURES:
            raise UsageError(f"ARCH={self.arch} is not there; there is: {' '.join(ARCHITECTURES)}")
        modes = ARCHITECTURES[self.arch].modes
        if self.mode and self.mode not in modes:
            other = arch_of_mode(self.mode)
            raise UsageError(f"MODE={self.mode}: {self.arch} has {' '.join(modes)}" + (f"; say ARCH={other}" if other else ""))
        if not str(self.smp).isdigit() or not 1 <= int(self.smp) <= 8:
            raise UsageError(f"SMP={self.smp}: 1 to 8 harts")
        if memory_bytes(self.mem) < 16 << 20:
            raise UsageError(f"MEM={self.mem}: the machine starts with 16M or more")
        if not self.kernel.is_file():
            raise UsageError(f"{self.kernel} is missing; run `make ARCH={self.arch}` first")

    @property
    def out(self):
        build = pathlib.Path(self.build)
        return (build if build.is_absolute() else ROOT / build) / self.arch

    @property
    def kernel(self):
        return self.out / "kernel.elf"

    @property
    def bootargs(self):
        return " ".join(word for word in (f"mode={self.mode}" if self.mode else "", self.append) if word)


def status_file(archive):
    """Where the status of a machine with a switch lies, once it is off: beside its archive."""
    return f"{archive}.status"


def status_reported(settings, archive, returncode):
    """The guest's status by what QEMU says of it, or None."""
    if not ARCHITECTURES[settings.arch].switch:
        return returncode
    with contextlib.suppress(OSError):
        written = pathlib.Path(status_file(archive)).read_bytes()
        if returncode == EXIT_SWITCHED and len(written) == 1:
            return written[0]
    return None


def qemu_command(settings, archive, ram_file=None):
    """The command without its console: the caller adds where that goes."""
    arch = ARCHITECTURES[settings.arch]
    size = memory_bytes(settings.mem)
    machine = arch.machine
    command = [arch.qemu, *arch.arguments, "-m", f"{size}B", "-smp", str(settings.smp), "-nographic", "-no-reboot",
               "-nodefaults", "-kernel", str(settings.kernel), "-initrd", str(archive)]
    if settings.bootargs:
        command += ["-append", settings.bootargs]
    if ram_file:
        machine += ",memory-backend=ram"
        command += ["-object", f"memory-backend-file,id=ram,size={size},mem-path={ram_file},share=on"]
    if arch.switch:
        command += ["-chardev", f"file,id=status,path={status_file(archive)}", *DEBUG_CONSOLE, *DEBUG_EXIT]
    if settings.icount:
        command += ICOUNT_DISK if settings.swap else ICOUNT
    return command + ["-machine", machine]
