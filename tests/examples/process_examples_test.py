"""Runs the examples about processes, threads, locks and queues. EXAMPLES: where they were built."""
import os
import signal
import subprocess
import unittest

EXAMPLES = os.environ["EXAMPLES"]


def run(name, *arguments):
    """What the example prints, as lines; it must end well."""
    program = os.path.join(EXAMPLES, name)
    said = subprocess.run([program, *arguments], capture_output=True, check=True, timeout=60,
                          text=True)
    return said.stdout.splitlines()


class ProcessExamples(unittest.TestCase):
    def test_tickets_are_never_oversold_with_the_lock(self):
        without = "without it: 3 tickets, 3 sold"
        for _ in range(20):  # buyers that come one after the other do not collide
            if not without.endswith(" 3 sold"):
                break
            with_lock, without = run("tickets")
            self.assertEqual(with_lock, "with the lock: 3 tickets, 3 sold")
        self.assertRegex(without, "^without it: 3 tickets, [4-6] sold$")

    def test_jobs_of_a_killed_worker_are_done(self):
        *begun_before, last = run("jobs")
        self.assertEqual(last, "12 of 12 jobs done")
        self.assertEqual([line.partition(": ")[2] for line in begun_before],
                         ["job 0 was begun before"])

    def test_process_pool(self):
        *lines, last = run("process_pool", "100")
        self.assertEqual(lines.count("main"), 1)
        self.assertEqual(sorted(line for line in lines if line.endswith(" ok")),
                         sorted(f"{i} ok" for i in range(20)))
        began = [line.split()[1:] for line in lines if line.startswith("task ")]
        self.assertEqual(sorted(int(number) for number, *_ in began), list(range(20)))
        self.assertEqual(len({pid for *_, pid in began}), 5)
        self.assertRegex(last, r"^5 processes, 0 replaced, \d+\.\d\d s$")

    def test_process_pool_loses_one_task_with_its_process(self):
        *lines, last = run("process_pool", "100", "kill")
        failed = [line for line in lines if "failed" in line]
        self.assertEqual(sum(line.endswith(" ok") for line in lines), 19)
        self.assertEqual(failed, ["3 failed: the worker process died while it ran this: "
                                  "a crash, or killed from outside"])
        self.assertRegex(last, r"^5 processes, 1 replaced, ")

    def test_filter_numbers_the_lines_of_a_pipe(self):
        program = os.path.join(EXAMPLES, "filter")
        with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            process.stdin.write(b"one\ntwo\n")
            process.stdin.flush()
            self.assertEqual(process.stdout.readline(), b"     1  one\n")
            self.assertEqual(process.stdout.readline(), b"     2  two\n")
            process.send_signal(signal.SIGUSR1)
            self.assertEqual(process.stderr.readline(), b"2 lines so far\n")
            process.stdin.close()
            self.assertEqual(process.wait(20), 0)

    def test_filter_refuses_a_file(self):
        with open(__file__, "rb") as file:
            said = subprocess.run([os.path.join(EXAMPLES, "filter")], stdin=file,
                                  capture_output=True, check=False, timeout=20)
        self.assertEqual(said.returncode, 1)
        self.assertIn(b"only pipes and terminals", said.stderr)

    def test_traffic_light(self):
        for arguments in ([], ["processes"]):
            with self.subTest(arguments):
                red, green, *cars = run("traffic_light", *arguments)
                self.assertEqual([red, green], ["red: 20 cars wait", "green"])
                self.assertEqual(sorted(cars), sorted(f"car {i} runs" for i in range(1, 21)))

    def test_toilets(self):
        # How many meet inside is the scheduler's affair; more than there are places never do.
        (said,) = run("toilets")
        self.assertRegex(said, r"^served 18, died inside 2, most at once [1-5], places free 5$")

    def test_two_keys(self):
        gives_way, *others = run("two_keys")
        self.assertRegex(
            gives_way,
            r"^bob: deadlock of 2: "
            r"bob \(process \d+, thread \d+\) holds keys\[2\] in X and waits for keys\[1\] in X; "
            r"ann \(process \d+, thread \d+\) holds keys\[1\] in X and waits for keys\[2\] in X; "
            r"bob, the youngest, gives way$")
        self.assertEqual(others, ["ann: I have both keys", "bob: I have both keys"])

    def test_row_locks(self):
        self.assertEqual(run("row_locks"), [
            "bob: accounts[2] in X: granted",
            "bob: accounts[1] in S: Connection timed out",
            "eve: accounts in S: Connection timed out",
            "ann is killed",
            "bob: accounts[1] in S: granted",
            "eve: accounts in S: granted"])

    def test_lock_order(self):
        said = subprocess.run([os.path.join(EXAMPLES, "lock_order")], capture_output=True,
                              check=True, timeout=60, text=True)
        self.assertEqual(said.stdout, "nobody had to wait\n")
        title, one, other = said.stderr.splitlines()
        self.assertEqual(title, "polyio: locks in contradicting orders, 2 of them:")
        self.assertRegex(one,
                         r"^  the left key and then the right key, by thread \d+: .*left_first")
        self.assertRegex(other,
                         r"^  the right key and then the left key, by thread \d+: .*right_first")

    def test_producer_consumer_with_one_producer_killed(self):
        self.assertEqual(sorted(run("producer_consumer")),
                         ["a producer ended with -9", "a producer ended with 0",
                          "the consumer ate 7; then: the peer finished early"])


if __name__ == "__main__":
    unittest.main()
