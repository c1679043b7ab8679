# SPDX-License-Identifier: MIT
"""
The kernel's trace rings, seen from the host in the file that backs the guest's RAM.

The kernel writes head[hart] (packets completed) after a packet's content, we write tail[hart] (packets taken) after copying it, so
a packet between tail and head is never written by the guest. Both counters only grow; packet n lies at n mod packets-per-ring.
With trace_wait=1 the kernel waits while head - tail is a full ring; otherwise it drops events and counts them in lost[].
"""
import mmap
import os
import struct

PAGE = 4096
CHUNK = 1 << 20
MAX_HARTS = 8
PC_HOLE = 1 << 30


class RingError(Exception):
    """The RAM file holds no usable trace."""


def data_extents(fd, size):
    """The written parts of a sparse file: reading its holes would cost memory on tmpfs."""
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
            at = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError:  # ENXIO: only a hole up to the end
            return
        yield start // PAGE * PAGE, at


def find_header(fd, abi):
    """Offset of the trace header, or None as long as the kernel has not written it."""
    magic = struct.pack("<Q", abi.consts["TRACE_MAGIC"])
    size = os.fstat(fd).st_size
    for start, end in data_extents(fd, size):
        for base in range(start, end, CHUNK):
            chunk = os.pread(fd, min(CHUNK, end - base), base)
            at = chunk.find(magic)
            while at >= 0:
                if at % PAGE == 0 and is_header(fd, base + at, abi):
                    return base + at
                at = chunk.find(magic, at + 1)
    return None


def is_header(fd, offset, abi):
    """The magic also occurs in the kernel's text; the header alone knows where it lies."""
    header = abi.header.unpack(os.pread(fd, abi.header.size, offset).ljust(abi.header.size, b"\0"))
    return header["version"] == 1 and offset in file_offsets(header["paddr"], header["mem_base"])


def file_offsets(paddr, mem_base):
    """Where a physical address may lie in the RAM file: RAM begins at mem_base (virt), or at 0 (a PC, whose first MiB the
    kernel leaves alone) with a hole below 4 GiB that the file does not have."""
    return (paddr - mem_base, paddr, paddr - PC_HOLE)


class Rings:
    """All rings of one guest. drain() calls sink(hart, packet bytes) for each packet."""

    def __init__(self, fd, abi, offset):
        self.abi = abi
        header = abi.header.unpack(os.pread(fd, abi.header.size, offset))
        self.harts, self.ring_bytes, self.timebase = header["harts"], header["ring_bytes"], header["timebase"]
        if not 1 <= self.harts <= MAX_HARTS or self.ring_bytes == 0 or self.ring_bytes % abi.packet_bytes:
            raise RingError(f"the trace header at {offset:#x} is damaged: {self.harts} harts, {self.ring_bytes} bytes per ring")
        end = offset + PAGE + self.harts * self.ring_bytes
        if end > os.fstat(fd).st_size:
            raise RingError(f"the trace rings end at {end:#x}, beyond the RAM file")
        self.packets = self.ring_bytes // abi.packet_bytes
        self.map = mmap.mmap(fd, end - offset, offset=offset)
        # 8-byte loads and stores: a counter is never seen half written
        self.words = memoryview(self.map).cast("Q")
        self.overrun = 0

    def close(self):
        self.words.release()
        self.map.close()

    def word(self, name, hart=0):
        return self.words[self.abi.header.fields[name]["offset"] // 8 + hart]

    def stopped(self):
        return self.word("stopped") == 1

    def packet_at(self, hart, number):
        at = PAGE + hart * self.ring_bytes + number % self.packets * self.abi.packet_bytes
        return self.map[at:at + self.abi.packet_bytes]

    def drain(self, sink):
        """Takes every complete packet; returns how many."""
        taken = 0
        tail_at = self.abi.header.fields["tail"]["offset"] // 8
        for hart in range(self.harts):
            head, tail = self.word("head", hart), self.word("tail", hart)
            if head - tail > self.packets:
                self.overrun += head - tail - self.packets
                tail = head - self.packets
            while tail < head:
                sink(hart, self.packet_at(hart, tail))
                tail += 1
                taken += 1
                self.words[tail_at + hart] = tail
        return taken

    def drain_open(self, sink):
        """After `stopped`: the packet that each hart was filling, its header completed."""
        for hart in range(self.harts):
            used = self.word("open", hart)
            if used <= self.abi.packet.size:
                continue
            if used > self.abi.packet_bytes or (used - self.abi.packet.size) % self.abi.record_bytes:
                raise RingError(f"hart {hart} says that {used} bytes of its last packet are used")
            data = bytearray(self.packet_at(hart, self.word("head", hart)))
            last = self.abi.unpacker.unpack_from(data, used - self.abi.record_bytes)
            put = self.abi.packet.put
            put(data, 0, "time_end", last[0])
            put(data, 0, "content_bits", used * 8)
            put(data, 0, "discarded", self.word("lost", hart))
            sink(hart, bytes(data))

    def counters(self):
        """What the kernel counted, to be compared with what was read."""
        return {name: [self.word(name, h) for h in range(self.harts)] for name in ("events", "lost", "head")}
