# SPDX-License-Identifier: MIT
"""The model of the paging protocol, test/spin/paging.pml, explored by spin; and mutants of it, which must fail.

Prints what was explored. The first configuration is exhaustive; those with kills, writes and a reclaim that starts again
have too many states for that and are explored with bit-state hashing, as far as its table goes.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

MODEL = pathlib.Path(__file__).resolve().parents[2] / "spin/paging.pml"
QUICK = os.environ.get("JJOK_TEST") != "full"
TIMEOUT = 240

EVERYTHING = ["TOUCHES=1", "RESTARTS=1"]
RIGHT = {  # name: defines, log2 of the bits in the table (0: exhaustive)
    "two programs, fork, swap": (["TOUCHES=1", "WRITES=0", "KILLS=0"], 0),
    "and writes, kills, a reclaim that is killed": (EVERYTHING, 23),
}
MUTANTS = {
    "the count goes before the token": ["TOUCHES=1", "MUTANT=1"],
    "vm and reclaim wait for each other": ["TOUCHES=1", "MUTANT=2"],
    "lost answers are not noticed": ["TOUCHES=1", "MUTANT=3"],
    "a frame is dropped that is not on the disk": ["TOUCHES=1", "MUTANT=4"],
    "the frame is named too late": ["TOUCHES=1", "MUTANT=5"],
    "nobody asks again after a restart": [*EVERYTHING, "MUTANT=6"],
}


def run(command, folder):
    return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=TIMEOUT, check=True).stdout


def explore(defines, bits, states_many=False):
    """(errors, states, what pan says first of an error)."""
    with tempfile.TemporaryDirectory(prefix="jjok-spin-") as folder:
        run(["spin", "-a", *("-D" + d for d in defines), str(MODEL)], folder)
        search = ["-DBITSTATE", f"-w{bits}"] if bits else ["-DMEMLIM=3000", "-w22"]
        optimise = "-O1" if states_many else "-O0"  # the compiler takes longer than most searches
        run(["gcc", optimise, "-w", "-DSAFETY", "-DVECTORSZ=1024", search[0], "-o", "pan", "pan.c"], folder)
        said = run(["./pan", "-m100000", search[1]], folder)
    errors = int(re.search(r"errors: (\d+)", said).group(1))
    states = int(re.search(r"(\d+) states, stored", said).group(1))
    if "max search depth too small" in said:
        errors += 1
    first = re.search(r"(?m)^pan:\d+: (.*)", said)
    return errors, states, first.group(1) if first else ""


def all_of(jobs):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda job: explore(*job), jobs))


class Spin(unittest.TestCase):
    def test_protocol(self):
        chosen = {name: (defines, bits, True) for name, (defines, bits) in RIGHT.items()}
        if QUICK:
            chosen = {"everything, a part of it": (EVERYTHING, 20)}
        for (name, (_, bits, *_)), (errors, states, said) in zip(chosen.items(), all_of(chosen.values())):
            print(f"spin: {name}: {states} states{' (bit-state)' if bits else ', all of them'}", flush=True)
            self.assertEqual(errors, 0, f"{name}: {said}")
            self.assertGreater(states, 100000, name)

    def test_mutants(self):
        chosen = dict(list(MUTANTS.items())[:2]) if QUICK else MUTANTS
        for name, (errors, states, said) in zip(chosen, all_of((defines, 24) for defines in chosen.values())):
            print(f"spin: mutant, {name}: found after {states} states: {said}", flush=True)
            self.assertGreater(errors, 0, f"the model does not find that {name}")


if __name__ == "__main__":
    unittest.main()
