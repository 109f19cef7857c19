"""`polyio models`, and what happens where io_uring is denied."""
import json
import os
import re
import shutil
import subprocess
import unittest

from harness import POLYIO, WITHOUT_LEAK_CHECK, Server, TestCase, main, models, run

ARCHITECTURES = ["loop", "loops", "thread-per-connection", "thread-pool", "prefork",
                 "process-per-connection", "iterative"]
REFUSED = {"sigio": ["prefork", "thread-per-connection", "thread-pool"],
           "posix-aio": ["thread-per-connection"],
           "nonblocking": ["process-per-connection", "thread-per-connection", "thread-pool"],
           "blocking": ["loop", "loops"]}


def strace_problem():
    if not shutil.which("strace"):
        return "strace is not installed"
    done = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True,
                          check=False)
    return "" if done.returncode == 0 else f"strace can't trace here: {done.stderr.strip()}"


PROBLEM = strace_problem()


def denying(error):
    return ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=io_uring_setup",
            "-e", f"inject=io_uring_setup:error={error}"]


class Models(TestCase):
    def test_json(self):
        listed = models()
        names = [entry["model"] for entry in listed]
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual(set(REFUSED), set(names))
        for entry in listed:
            self.assertEqual(list(entry),
                             ["model", "waits", "system", "available", "emulated", "reason",
                              "limit", "has_loop", "polls", "architectures", "policies",
                              "refusals"])
            self.assertIsInstance(entry["available"], bool)
            self.assertTrue(entry["waits"] and entry["system"])
            self.assertIsInstance(entry["reason"], str)
            self.assertEqual(entry["available"], entry["reason"] == "")
            self.assertEqual(sorted([*entry["architectures"], *entry["refusals"]]),
                             sorted(ARCHITECTURES))
            self.assertTrue(all(entry["refusals"].values()), "a reason for each")
            self.assertEqual(sorted(entry["refusals"]), REFUSED.get(entry["model"], []))

    def test_what_is_listed_as_refused_is_refused_with_the_reason(self):
        for entry in models():
            for architecture, reason in entry["refusals"].items():
                done = run("echo", "--listen", "127.0.0.1:0", "--model", entry["model"],
                           "--architecture", architecture, text=True)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn(reason, done.stderr)

    def test_a_model_of_another_system_is_refused_by_name(self):
        foreign = [entry for entry in models() if entry["emulated"] and not entry["available"]]
        self.assertTrue(foreign)
        for entry in foreign:
            self.assertIn(f"is of {entry['system']}", entry["reason"])
            done = run("echo", "--listen", "127.0.0.1:0", "--model", entry["model"], text=True)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(f"model {entry['model']} can't be used here: {entry['reason']}",
                          done.stderr)

    def test_help_names_the_models_of_this_system(self):
        said = " ".join(run("echo", "--help", text=True).stdout.split())
        named = said[said.index("how it waits: ") + len("how it waits: "):].split(" --")[0]
        wanted = [entry["model"] for entry in models() if not entry["emulated"]]
        self.assertEqual(re.findall(r"[\w-]+", named.split("[")[0])[:len(wanted) + 1],
                         ["auto", *wanted])

    def test_table(self):
        done = run("models", text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0].split(), ["MODEL", "AVAILABLE", *ARCHITECTURES])
        rows = [line.split() for line in lines[1:lines.index("")]]
        self.assertEqual([row[0] for row in rows], [entry["model"] for entry in models()])
        for row, entry in zip(rows, models()):
            missing = "emulated" if entry["emulated"] else "no"
            self.assertEqual(row[1], "yes" if entry["available"] else missing)
            fits = [name for name, word in zip(ARCHITECTURES, row[2:]) if word == "yes"]
            self.assertEqual(fits, entry["architectures"])
        self.assertIn("one blocking call would hold up all connections", done.stdout)


@unittest.skipIf(PROBLEM, PROBLEM)
class WithoutIoUring(TestCase):
    def test_models(self):
        for error, words in (("EPERM", "not permitted"), ("ENOSYS", "not implemented")):
            with self.subTest(error=error):
                done = subprocess.run([*denying(error), POLYIO, "models", "--json"],
                                      capture_output=True, env=WITHOUT_LEAK_CHECK, check=True)
                entries = {entry["model"]: entry for entry in json.loads(done.stdout)}
                self.assertFalse(entries["io_uring"]["available"])
                self.assertIn(words, entries["io_uring"]["reason"])
                self.assertTrue(entries["epoll"]["available"])

    def test_auto_serves_on_epoll(self):
        for error in ("EPERM", "ENOSYS"):
            with self.subTest(error=error), Server("echo", "--model", "auto", prefix=denying(error),
                                                   env=WITHOUT_LEAK_CHECK) as server:
                self.assertEqual((server.model, server.architecture), ("epoll", "loop"))
                with server.connect() as client:
                    client.sendall(b"hi")
                    self.assertEqual(client.recv(9), b"HI")
                said = server.log().splitlines()
                self.assertEqual(len(said), 1, said)
                self.assertIn("epoll", said[0])
                self.assertIn("io_uring", said[0])

    def test_io_uring_refused(self):
        for error in ("EPERM", "ENOSYS"):
            with self.subTest(error=error):
                done = subprocess.run([*denying(error), POLYIO, "echo", "--model", "io_uring",
                                       "--listen", "127.0.0.1:0"],
                                      capture_output=True, text=True, check=False,
                                      env=WITHOUT_LEAK_CHECK)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn("try --model auto", done.stderr)


if __name__ == "__main__":
    main()
