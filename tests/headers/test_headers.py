"""Every public header compiles: all in one source, and each alone, with clang and with g++.

All together shows names that collide, each alone shows a header that needs another one before it.
Alone, a fifth of them is taken per commit, by clang; HEADERS=all takes every one, by both.
"""
import concurrent.futures
import os
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
INCLUDE = ROOT / "include"
COMPILERS = [name for name in (os.environ.get("CLANGXX"), os.environ.get("GXX")) if name]
ALL = os.environ.get("HEADERS") == "all"
SHARE = 5


def headers():
    return sorted(str(path.relative_to(INCLUDE)) for path in INCLUDE.rglob("*.hpp"))


def commit():
    """A number that changes with each commit; 0 outside a repository."""
    shown = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=8", "HEAD"],
                           capture_output=True, text=True, check=False).stdout
    return int(shown or "0", 16)


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
                self.assertEqual(errors_of(compiler, reversed(headers())), "")

    def test_each_alone(self):
        names = headers()
        if not ALL:
            start = commit() % SHARE
            names = names[start::SHARE]
            print(f"{len(names)} headers alone, from number {start}, every {SHARE}th", flush=True)
        compilers = COMPILERS if ALL else COMPILERS[:1]
        pairs = [(compiler, name) for compiler in compilers for name in names]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(lambda pair: errors_of(pair[0], [pair[1]]), pairs))
        for (compiler, name), errors in zip(pairs, found):
            with self.subTest(compiler=compiler, header=name):
                self.assertEqual(errors, "")


if __name__ == "__main__":
    unittest.main()
