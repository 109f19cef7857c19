"""Every public header compiles: all in one source, and each alone, with clang and with g++.

All together shows names that collide, each alone shows a header that needs another one before it.
POLYIO_PART=2/4 takes the third quarter of them alone, by clang; without it all, by both compilers.
"""
import concurrent.futures
import os
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
INCLUDE = ROOT / "include"
COMPILERS = [name for name in (os.environ.get("CLANGXX"), os.environ.get("GXX")) if name]
PART, PARTS = map(int, os.environ.get("POLYIO_PART", "0/1").split("/"))


def headers():
    return sorted(str(path.relative_to(INCLUDE)) for path in INCLUDE.rglob("*.hpp"))


def errors_of(compiler, included):
    """What the compiler says of a source that includes these, '' when it takes it."""
    source = "".join(f"#include <{name}>\n" for name in included)
    command = [compiler, "-std=c++23", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
               f"-I{INCLUDE}", "-x", "c++", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


class Headers(unittest.TestCase):
    def test_all_together(self):
        for compiler in COMPILERS:
            with self.subTest(compiler=compiler):
                self.assertEqual(errors_of(compiler, headers()), "")
        with self.subTest("in the other order"):
            self.assertEqual(errors_of(COMPILERS[0], reversed(headers())), "")

    def test_each_alone(self):
        names = headers()[PART::PARTS]
        compilers = COMPILERS if PARTS == 1 else COMPILERS[:1]
        print(f"{len(names)} headers alone: part {PART} of {PARTS}", flush=True)
        pairs = [(compiler, name) for compiler in compilers for name in names]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(lambda pair: errors_of(pair[0], [pair[1]]), pairs))
        for (compiler, name), errors in zip(pairs, found):
            with self.subTest(compiler=compiler, header=name):
                self.assertEqual(errors, "")


if __name__ == "__main__":
    unittest.main()
