# SPDX-License-Identifier: MIT
"""gdb commands that know Jjok's structures: jjok-threads, jjok-pages, jjok-page, jjok-aspaces, jjok-pt.

All read the stopped guest's memory through the kernel's own symbols; nothing is written.
"""
import collections

import gdb

PAGE_SHIFT = 12
ADDRESS_BITS = (1 << 52) - 1


def value(expression):
    return gdb.parse_and_eval(expression)


def number(expression):
    return int(value(expression)) & (1 << 64) - 1


def words(address, count):
    data = gdb.selected_inferior().read_memory(address, 8 * count).tobytes()
    return [int.from_bytes(data[8 * i:8 * i + 8], "little") for i in range(count)]


class RiscV:
    """Where things are, and how page-table entries read: arch/riscv/arch_inline.h and pte.h."""

    direct_map, mem_map, pc = 0xFFFFFFD000000000, 0xFFFFFFC000000000, 0
    levels = {8: 3, 9: 4, 10: 5}

    @classmethod
    def root(cls):
        """Physical address of the root table that the processor uses, and how many levels it walks."""
        satp = number("$satp")
        if satp >> 60 not in cls.levels:
            raise gdb.GdbError("paging is off")
        return (satp & (1 << 44) - 1) << PAGE_SHIFT, cls.levels[satp >> 60]

    @staticmethod
    def table(entry):
        """Physical address of the table that an entry points to, or nothing."""
        return (entry >> 10 & (1 << 44) - 1) << PAGE_SHIFT if entry & 15 == 1 else None

    @staticmethod
    def describe(entry, level):
        pfn = entry >> 10 & (1 << 44) - 1
        rights = letters(entry, (1, "r"), (2, "w"), (3, "x"))
        if entry & 1:
            marks = letters(entry, (4, "U"), (5, "G"), (6, "A"), (7, "D"))
            return f"leaf of {4 << 9 * level} KiB, frame {pfn:x} {rights} {marks}{' device' if entry >> 8 & 1 else ''}"
        if entry >> 8 & 1:
            return f"held, frame {pfn:x} {rights}"
        return f"token {entry >> 10:x}"


class X8664:
    """The same for arch/x86_64."""

    pc = 17  # X_RIP

    @property
    def direct_map(self):
        return number("arch_direct_map")

    @property
    def mem_map(self):
        return number("arch_mem_map")

    @staticmethod
    def root():
        if not number("$cr0") >> 31:
            raise gdb.GdbError("paging is off")
        return number("$cr3") & ADDRESS_BITS & -(1 << PAGE_SHIFT), 5 if number("$cr4") >> 12 & 1 else 4

    @staticmethod
    def table(entry):
        return entry & ADDRESS_BITS & -(1 << PAGE_SHIFT) if entry & 0x201 == 0x201 else None

    @staticmethod
    def describe(entry, level):
        if entry & 1:
            rights = letters(entry, (0, "r"), (1, "w")) + ("-" if entry >> 63 else "x")
            marks = letters(entry, (2, "U"), (8, "G"), (5, "A"), (6, "D"))
            pfn = (entry & ADDRESS_BITS) >> PAGE_SHIFT
            return f"leaf of {4 << 9 * level} KiB, frame {pfn:x} {rights} {marks}{' device' if entry >> 10 & 1 else ''}"
        if entry >> 43 & 0x1FF == 0x1FE:
            pfn = ~entry >> PAGE_SHIFT & (1 << 31) - 1
            return f"held, frame {pfn:x} {letters(entry, (1, 'r'), (2, 'w'), (3, 'x'))}"
        return f"token {entry >> 52 << 42 | entry >> 1 & (1 << 42) - 1:x}"


def letters(entry, *bits):
    return "".join(letter if entry >> bit & 1 else "-" for bit, letter in bits)


def machine():
    """The architecture of the kernel that is debugged."""
    return X8664() if gdb.lookup_global_symbol("arch_direct_map") else RiscV


def enum_name(enum, prefix, index):
    for field in gdb.lookup_type("enum " + enum).fields():
        if field.enumval == index:
            return field.name.removeprefix(prefix)
    return str(index)


def identity(pointer):
    """The number by which the kernel and its traces name an object."""
    return f"{int(pointer) - machine().direct_map >> 6:x}"


def linked(head, member):
    node = value(head)
    while int(node) != 0:
        yield node
        node = node[member]


def threads():
    head = value("&thread_list")
    node = head["next"]
    while node != head:
        if int(node["thread"]):  # else a walk's mark
            yield node["thread"]
        node = node["next"]


class Command(gdb.Command):
    """Base: the docstring's first line is the help; errors of reading memory become one line."""

    def __init__(self):
        super().__init__(self.name, gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, _from_tty):
        try:
            self.run(*gdb.string_to_argv(argument))
        except TypeError as error:
            raise gdb.GdbError(f"{self.name}: wrong number of arguments ({error})") from error
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"{error} (the kernel's memory can be read once it runs in the higher half)") from error


class Threads(Command):
    """jjok-threads: every thread, its state, priority, program counter, and who or what it waits for."""

    name = "jjok-threads"

    def run(self):
        running = {int(value(f"harts[{i}].cur")): i for i in range(number("hart_count"))}
        everybody = list(threads())
        print("id       state        prio pc               name             waits for")
        for thread in everybody:
            state = enum_name("thread_state", "THREAD_", int(thread["state"]))
            if int(thread) in running:
                state += f"@{running[int(thread)]}"
            print(f"{identity(thread['obj'].address):<8} {state:12} {int(thread['priority']):4} "
                  f"{int(thread['ctx']['x'][machine().pc]):<16x} {self.called(thread):16} "
                  f"{self.waits(thread, state, everybody)}")

    @staticmethod
    def called(thread):
        return thread["name"].string(length=16).rstrip("\0")

    def waits(self, thread, state, everybody):
        """In words. A server is who waits, or waited last, with the notification that is bound to the endpoint."""
        if state in ("WAIT_NOTIFY", "WAIT_RECV"):
            return f"{'bits' if state == 'WAIT_NOTIFY' else 'requests'} at {identity(thread['wait'])}"
        if state not in ("WAIT_SEND", "WAIT_REPLY"):
            return "-"
        endpoint = thread["wait"].cast(gdb.lookup_type("struct endpoint").pointer())
        bound = int(endpoint["bound"])
        servers = [self.called(other) for other in everybody if bound and int(other["bound"]) == bound]
        servers = servers or [self.called(endpoint["receivers"])] if int(endpoint["receivers"]) else servers
        whom = " ".join(servers) or f"somebody at {identity(thread['wait'])}"
        what = {0: "answer", 1: "answer to its page fault", 2: "answer to its page fault", 3: "answer to its exception"}
        text = f"{whom}: {what[int(thread['in_fault'])]}" if state == "WAIT_REPLY" else f"{whom}: to take its request"
        return text + (f" at {int(thread['fault_addr']):#x}" if int(thread["in_fault"]) else "")


class Aspaces(Command):
    """jjok-aspaces: every address space, its root, tables, leaves and windows."""

    name = "jjok-aspaces"

    def run(self):
        direct_map = machine().direct_map
        for aspace in linked("aspaces", "next"):
            identity = (int(aspace) - direct_map) >> 6
            print(f"{identity:x}: root {int(aspace['table']) - direct_map:x} asid {int(aspace['asid'])} "
                  f"tables {int(aspace['tables'])} leaves {int(aspace['leaves'])}")
            for index in range(8):
                window = aspace["window"][index]
                if int(window["end"]):
                    print(f"    window {index}: {int(window['start']):x}-{int(window['end']):x} badge {int(window['badge']):x}")


class Pages(Command):
    """jjok-pages: frames by state and pool."""

    name = "jjok-pages"

    def run(self):
        base, limit = number("mem.base"), number("mem.limit")
        count = collections.Counter()
        data = gdb.selected_inferior().read_memory(machine().mem_map + 32 * base, 32 * (limit - base)).tobytes()
        for i in range(0, len(data), 32):
            count[data[i + 6] & 15, int.from_bytes(data[i + 4:i + 6], "little")] += 1
        print("state     pool   frames      KiB")
        for (state, pool), frames in sorted(count.items()):
            # A FREE frame's pool is only its last owner.
            print(f"{enum_name('page_state', 'PAGE_', state):9} {pool:4} {frames:8} {frames * 4:8}")


class Page(Command):
    """jjok-page PFN: one struct page."""

    name = "jjok-page"

    def run(self, pfn):
        index = number(pfn)
        if not number("mem.base") <= index < number("mem.limit"):
            raise gdb.GdbError(f"frame {index:x} is not in [{number('mem.base'):x}, {number('mem.limit'):x})")
        print(value(f"((struct page *){machine().mem_map:#x})[{index}]"))


class PageTable(Command):
    """jjok-pt ADDRESS [ASPACE]: the walk of an address, step by step, in an address space (pointer; default: the loaded one)."""

    name = "jjok-pt"

    def run(self, address, aspace=None):
        va, cpu = number(address), machine()
        table, levels = cpu.root() if aspace is None else self.root(cpu, aspace)
        print(f"{levels} levels, root {table:x}")
        for level in reversed(range(levels)):
            index = va >> PAGE_SHIFT + 9 * level & 511
            entry = words(cpu.direct_map + table + 8 * index, 1)[0]
            below = cpu.table(entry)
            text = "empty" if entry == 0 else f"table {below >> PAGE_SHIFT:x}" if below is not None else cpu.describe(entry, level)
            print(f"level {level}  [{index:3}] at {table + 8 * index:x}: {entry:016x}  {text}")
            if below is None:
                return
            table = below

    @staticmethod
    def root(cpu, aspace):
        pointer = value(aspace).cast(gdb.lookup_type("struct aspace").pointer())
        return int(pointer["table"]) - cpu.direct_map, number("arch_levels")


for command in (Threads, Aspaces, Pages, Page, PageTable):
    command()
