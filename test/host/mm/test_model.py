# SPDX-License-Identifier: MIT
"""The model checker (test/model/) without sanitizers, compiled -O2: 10^7 random steps, and a deeper exploration."""
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
GEN = os.environ.get("GEN", os.path.join(os.environ.get("BUILD", "build"), os.environ.get("ARCH", "riscv64"), "gen"))
MODEL = ("main.c", "world.c", "oracle.c", "change.c", "hash.c", "explore.c", "random.c")
SOURCES = ["test/model/" + name for name in MODEL] + ["test/host/mm/machine.c"]


def build(output, tree=ROOT, optimize="-O2"):
    """Compile the checker with the mm/ of this tree; returns the compiler's messages, empty when all is well."""
    mm = sorted("mm/" + name for name in os.listdir(f"{tree}/mm") if name.endswith(".c"))
    command = ["gcc", "-std=gnu11", optimize, "-g", "-Wall", "-Itest/host/arch", "-Itest/host", "-I.", "-I" + os.path.join(ROOT, GEN),
               "-Ilib", "-o", output]
    done = subprocess.run(command + SOURCES + mm, cwd=tree, stderr=subprocess.PIPE, text=True)
    return done.stderr if done.returncode else ""


class Model(unittest.TestCase):
    @unittest.skipIf(os.environ.get("JJOK_TEST") == "quick", "takes a minute")
    def test_ten_million_steps(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(build(folder + "/model"), "")
            command = [folder + "/model", "--steps", "10000000", "--seed", "7", "--explore", "20"]
            run = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(run.returncode, 0, run.stdout[-1000:] + run.stderr[-4000:])
            self.assertTrue(run.stdout.endswith("OK\n"), run.stdout[-1000:])


if __name__ == "__main__":
    unittest.main()
