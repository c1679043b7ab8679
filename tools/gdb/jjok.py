# SPDX-License-Identifier: MIT
"""gdb commands that know Jjok's structures: jjok-threads, jjok-pages, jjok-page, jjok-aspaces, jjok-pt.

All read the stopped guest's memory through the kernel's own symbols; nothing is written.
"""
import collections

import gdb

PAGE_SHIFT = 12
DIRECT_MAP = 0xFFFFFFD000000000
MEM_MAP = 0xFFFFFFC000000000
MODES = {8: ("sv39", 3), 9: ("sv48", 4), 10: ("sv57", 5)}


def value(expression):
    return gdb.parse_and_eval(expression)


def number(expression):
    return int(value(expression)) & (1 << 64) - 1


def words(address, count):
    data = gdb.selected_inferior().read_memory(address, 8 * count).tobytes()
    return [int.from_bytes(data[8 * i:8 * i + 8], "little") for i in range(count)]



def enum_name(enum, prefix, index):
    for field in gdb.lookup_type("enum " + enum).fields():
        if field.enumval == index:
            return field.name.removeprefix(prefix)
    return str(index)


def linked(head, member):
    node = value(head)
    while int(node) != 0:
        yield node
        node = node[member]


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
    """jjok-threads: every thread, its state, priority, program counter, and what it waits on."""

    name = "jjok-threads"

    def run(self):
        running = {int(value(f"harts[{i}].cur")): i for i in range(number("hart_count"))}
        print("id       state        prio pc               waits on           name")
        for thread in linked("thread_list", "all_next"):
            state = enum_name("thread_state", "THREAD_", int(thread["state"]))
            if int(thread) in running:
                state += f"@{running[int(thread)]}"
            name = thread["name"].string(length=16).rstrip("\0")
            wait = int(thread["wait"])
            identity = (int(thread["obj"].address) - DIRECT_MAP) >> 6
            print(f"{identity:<8x} {state:12} {int(thread['priority']):4} {int(thread['ctx']['x'][0]):<16x} "
                  f"{f'{(wait - DIRECT_MAP) >> 6:x}' if wait else '-':18} {name}")


class Aspaces(Command):
    """jjok-aspaces: every address space, its root, tables, leaves and windows."""

    name = "jjok-aspaces"

    def run(self):
        for aspace in linked("aspaces", "next"):
            identity = (int(aspace) - DIRECT_MAP) >> 6
            print(f"{identity:x}: root {int(aspace['table']) - DIRECT_MAP:x} asid {int(aspace['asid'])} "
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
        data = gdb.selected_inferior().read_memory(MEM_MAP + 32 * base, 32 * (limit - base)).tobytes()
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
        print(value(f"((struct page *){MEM_MAP:#x})[{index}]"))


class PageTable(Command):
    """jjok-pt ADDRESS [ROOT]: the walk of an address, step by step; ROOT: address space (pointer) or satp (default: the loaded one)."""

    name = "jjok-pt"

    def run(self, address, root=None):
        va = number(address)
        satp = number("$satp") if root is None else self.satp(root)
        if satp >> 60 not in MODES:
            raise gdb.GdbError("paging is off")
        mode, levels = MODES[satp >> 60]
        table = (satp & (1 << 44) - 1) << PAGE_SHIFT
        print(f"{mode}, root {table:x}, asid {satp >> 44 & 0xffff}")
        for level in reversed(range(levels)):
            index = va >> PAGE_SHIFT + 9 * level & 511
            entry = words(DIRECT_MAP + table + 8 * index, 1)[0]
            print(f"level {level}  [{index:3}] at {table + 8 * index:x}: {entry:016x}  {self.describe(entry, level)}")
            if entry & 15 != 1:
                return
            table = (entry >> 10 & (1 << 44) - 1) << PAGE_SHIFT

    @staticmethod
    def satp(root):
        symbol = value(root)
        if symbol.type.code == gdb.TYPE_CODE_PTR:
            table = int(symbol.cast(gdb.lookup_type("struct aspace").pointer())["table"]) - DIRECT_MAP
            return number("arch_levels") + 5 << 60 | table >> PAGE_SHIFT
        return int(symbol) & (1 << 64) - 1

    @staticmethod
    def describe(entry, level):
        pfn = entry >> 10 & (1 << 44) - 1
        rights = "".join(letter if entry >> bit & 1 else "-" for bit, letter in ((1, "r"), (2, "w"), (3, "x")))
        if entry == 0:
            return "empty"
        if entry & 1:
            if not entry & 14:
                return f"table {pfn:x}"
            marks = "".join(letter for bit, letter in ((4, "U"), (5, "G"), (6, "A"), (7, "D")) if entry >> bit & 1)
            return f"leaf of {4 << 9 * level} KiB, frame {pfn:x} {rights} {marks}{' device' if entry >> 8 & 1 else ''}"
        if entry >> 8 & 1:
            return f"held, frame {pfn:x} {rights}"
        return f"token {entry >> 10:x}"


for command in (Threads, Aspaces, Pages, Page, PageTable):
    command()
