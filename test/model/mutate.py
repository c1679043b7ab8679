#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests the model checker: plants one bug after the other in a copy of mm/ and expects the random walk to find each.

    test/model/mutate.py [--steps N] [--only WORD]
Run it after changing the oracle or the generator. Each bug is (name, file, text, replacement); text must occur in the file.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/test/host/mm")
import test_model  # noqa: E402

BUGS = [
    ("unmap forgets D", "frame.h", "page->marks |= (dirty ? PAGE_DIRTY : 0) | ", "page->marks |= "),
    ("evict without flush", "evict.c", "	page->mapcount -= n;\n	places_flush(n, h);", "	page->mapcount -= n;"),
    ("evict takes fewer places", "evict.c", "return flags & EVICT_PARTIAL && clean ? 0 : -ERR_BUSY;", "return 0;"),
    ("evict PARTIAL of a dirty frame", "evict.c", "return flags & EVICT_PARTIAL && clean ? 0", "return flags & EVICT_PARTIAL ? 0"),
    ("evict of a pinned frame", "evict.c", "page->state == PAGE_EVICTING || page->pins", "page->state == PAGE_EVICTING"),
    ("evict forgets SWAPCACHE", "evict.c", "page->marks |= PAGE_SWAPCACHE;", ""),
    ("evict loses a lying list's entries", "evict.c", "	if (err) {\n		places_put_back(got);", "	if (err) {"),
    ("write-out without write protection", "evict.c", "	places_put_back_protected(n);", "	places_put_back(n);"),
    ("evict forgets D", "evict.c", "	page->marks |= (h->dirty ? PAGE_DIRTY : 0) | (h->young", "	page->marks |= (h->young"),
    ("evict forgets a count", "evict.c", "	page->mapcount -= n;", "	page->mapcount = 0;"),
    ("a place that holds another frame", "evict.c", "!slot || !pte_names(*slot, page_to_pfn(page))", "!slot || !pte_is_leaf(*slot)"),
    ("write protection without flush", "evict.c",
     "	page->marks |= PAGE_DIRTY;\n	places_flush(n, &h);",
     "	page->marks |= PAGE_DIRTY;"),
    ("free keeps the generation", "frame.c", "	page->gen++;\n	if (unlikely", "	if (unlikely"),
    ("free of a dirty frame", "frame.c", "page->marks & (PAGE_DIRTY | PAGE_WRITEBACK) && !(flags & FREE_DISCARD)", "0"),
    ("free of a dirty frame in write-out", "frame.c",
     "page->marks & (PAGE_DIRTY | PAGE_WRITEBACK) && !(flags & FREE_DISCARD)",
     "page->marks & PAGE_DIRTY && !(flags & FREE_DISCARD)"),
    ("free of a mapped frame", "frame.c",
     "	if (page->mapcount || page->pins)\n"
     "		return -ERR_BUSY;\n"
     "	if (page->marks",
     "	if (page->pins)\n"
     "		return -ERR_BUSY;\n"
     "	if (page->marks"),
    ("NOZERO for everybody", "frame.c", "flags & ALLOC_NOZERO && page->pool == pool->id ?", "flags & ALLOC_NOZERO ?"),
    ("never shown, but taken for his own", "frame.c", "		page->pool = 0; // it still", "		; // it still"),
    ("lazy frame shown as it is", "frame.c",
     "	} else if (unlikely(!(page->marks & PAGE_ZEROED))) {\n"
     "		page_clear(page);\n"
     "		++*filled;",
     "	} else if (unlikely(!(page->marks & PAGE_ZEROED))) {\n"
     "		page->marks |= PAGE_ZEROED;\n"
     "		++*filled;"),
    ("copy of what was never shown", "frame.c", "	if (unlikely(!(source->marks & PAGE_ZEROED)))\n		page_clear(source);", ""),
    ("a copy is clean", "frame.c", "page->marks |= PAGE_ZEROED | PAGE_DIRTY;", "page->marks |= PAGE_ZEROED;"),
    ("move keeps the generation", "frame.c", "	page->gen++;\n	page->pool = to->id;", "	page->pool = to->id;"),
    ("move of a mapped frame", "frame.c",
     "if (page->state == PAGE_EVICTING || page->mapcount || page->pins ||",
     "if (page->state == PAGE_EVICTING || page->pins ||"),
    ("move forgets DIRTY", "frame.c", "page->marks &= ~PAGE_YOUNG;", "page->marks &= ~(PAGE_YOUNG | PAGE_DIRTY);"),
    ("a reference works for every pool", "page.h",
     "return likely((head ^ want) << 12 == 0)",
     "return likely(((head ^ want) & 0x000f0000fffffffful) == 0)"),
    ("a stale reference works", "page.h", "return likely((head ^ want) << 12 == 0)", "return likely((head ^ want) >> 32 << 44 == 0)"),
    ("END cleans what was written since", "mark.c",
     "	page->marks &= ~PAGE_WRITEBACK;\n"
     "	if (failed)",
     "	page->marks &= ~(PAGE_WRITEBACK | PAGE_DIRTY);\n"
     "	if (failed)"),
    ("FAIL cleans", "mark.c", "		page->marks |= PAGE_DIRTY;\n	return 0;", "		;\n	return 0;"),
    ("filling a mapped frame", "frame.c",
     "return page->mapcount || page->state == PAGE_EVICTING ||",
     "return page->state == PAGE_EVICTING ||"),
    ("object slot not cleared", "object.c", "	memset(object, 0, size);", "	memset(object, 1, size);"),
    ("object frame from a dirty frame", "object.c",
     "page->marks & (PAGE_DIRTY | PAGE_WRITEBACK | PAGE_SWAPCACHE)",
     "page->marks & PAGE_SWAPCACHE"),
    ("a dying pool maps", "map.c", "	if (rq->pool->dying)\n		return -ERR_DYING;", ""),
    ("destroy frees pinned frames", "frame.c",
     "|| page->mapcount || page->pins)\n"
     "		return false;\n"
     "	page_release",
     "|| page->mapcount)\n"
     "		return false;\n"
     "	page->pins = 0;\n"
     "	page_release"),
    ("unmap without flush", "unmap.c",
     "	r->done = (stopped - va) / PAGE_SIZE;\n"
     "	tlb_batch_flush(as, &op.batch);",
     "	r->done = (stopped - va) / PAGE_SIZE;"),
    ("strip without flush", "unmap.c", "	tlb_batch_flush(as, &batch);\n	*va = span.va;", "	*va = span.va;"),
    ("clone leaves the source writable", "clone.c", "			e = clone_weaken(c, from, e);", "			;"),
    ("clone without flush", "clone.c", "	tlb_batch_flush(src, &c.batch);", ""),
    ("clone of a pinned frame", "clone.c", "page->pins || page->mapcount == (u32)-1", "page->mapcount == (u32)-1"),
    ("clone forgets a count", "clone.c",
     "			page[i].mapcount++;",
     "			page[i].mapcount += page->word1 != 3;"),
    ("map writable in the swap cache", "map.c", "read_only ? m->prot & ~PROT_WRITE : m->prot", "m->prot"),
    ("map over an entry without dropping it", "map.c", "		pt_drop(old);", "		;"),
    ("map over an entry without flush", "map.c", "	tlb_batch_add(&m->batch, va, va + pt_size(level));", ""),
    ("protect grants write in the swap cache", "protect.c",
     "page[i].mapcount != 1 || page[i].marks & PAGE_SWAPCACHE",
     "page[i].mapcount != 1"),
    ("protect forgets D", "protect.c", "		protect_mark(old, level);", "		;"),
    ("protect without flush", "protect.c", "	tlb_batch_add(&op->batch, va, va + pt_size(level));", ""),
    ("scan clears D without flush", "scan.c", "		tlb_batch_add(&op->batch, va, va + pt_size(level));", "		;"),
    ("scan forgets D", "scan.c", "page[i].marks |= (dirty ? PAGE_DIRTY : 0) | ", "page[i].marks |= "),
    ("a table goes without flush", "pgtable.c",
     "		batch->tables = true;\n		pt_table_give",
     "		pt_table_give"),
    ("other harts are not told", "tlb.c",
     "	if (unlikely(as->harts & ~self))\n		tlb_shootdown",
     "	if (0)\n		tlb_shootdown"),
    ("an owed flush is forgotten", "tlb.c", "		arch_flush_asid(me->owed_asid);", "		;"),
    ("ASIDs come back without flush", "asid.c", "	tlb_flush_everything();", ""),
]


def try_bug(bug, steps):
    name, file, text, replacement = bug
    with tempfile.TemporaryDirectory() as tree:
        for part in ("mm", "test", "arch", "lib"):
            ignore = shutil.ignore_patterns("*.md", "system", "vm", "files", "rt")
            shutil.copytree(f"{ROOT}/{part}", f"{tree}/{part}", ignore=ignore)
        path = f"{tree}/mm/{file}"
        source = open(path).read()
        if text not in source:
            return "the text to replace is gone: update mutate.py"
        with open(path, "w") as f:
            f.write(source.replace(text, replacement))
        errors = test_model.build(f"{tree}/model.run", tree, "-O1")
        if errors:
            return "does not compile: " + errors.splitlines()[0]
        command = [f"{tree}/model.run", "--explore", "0", "--steps", str(steps)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if run.returncode == 0:
            return "NOT FOUND"
        said = (x for x in run.stderr.splitlines() if "violation" in x or "panic" in x or "check:" in x)
        line = next(said, f"status {run.returncode}")
        return "found: " + line[:110]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000000)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    missed = 0
    for bug in BUGS:
        if args.only in bug[0]:
            result = try_bug(bug, args.steps)
            missed += not result.startswith("found")
            print(f"{bug[0]:45} {result}", flush=True)
    print(f"{missed} not found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
