"""Runs the examples about processes, threads, locks and queues. EXAMPLES: where they were built."""
import os
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
        with_lock, without = run("tickets")
        self.assertEqual(with_lock, "with the lock: 3 tickets, 3 sold")
        self.assertRegex(without, "^without it: 3 tickets, [4-6] sold$")

    def test_traffic_light(self):
        for arguments in ([], ["processes"]):
            with self.subTest(arguments):
                red, green, *cars = run("traffic_light", *arguments)
                self.assertEqual([red, green], ["red: 20 cars wait", "green"])
                self.assertEqual(sorted(cars), sorted(f"car {i} runs" for i in range(1, 21)))

    def test_toilets(self):
        self.assertEqual(
            run("toilets"),
            ["served 18, died inside 2, most at once 5, places free 5"])


if __name__ == "__main__":
    unittest.main()
