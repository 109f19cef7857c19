"""The examples of docs/commands.md do what the page says."""
import os
import re
import signal
import subprocess
from pathlib import Path

from harness import DEADLINE, POLYIO, TestCase, main, reserved_port

ROOT = Path(__file__).resolve().parent.parent.parent


def examples(text):
    """(command, expected output) of every console block, in order."""
    for block in re.findall(r"(?ms)^```console\n(.*?)^```", text):
        for example in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, expected = example.partition("\n")
            yield command, expected


class Examples(TestCase):
    def setUp(self):
        self.port = reserved_port(self)
        self.background = []

    def tearDown(self):
        for process in self.background:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(DEADLINE)
            process.stdout.close()

    def shell(self, command):
        path = f"{os.path.dirname(POLYIO)}:{os.environ['PATH']}"
        return subprocess.Popen(["bash", "-c", command], cwd=ROOT, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                start_new_session=True, env={**os.environ, "PATH": path})

    def test_commands(self):
        text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        text = text.replace("127.0.0.1 8080", f"127.0.0.1 {self.port}")
        found = list(examples(text))
        self.assertGreater(len(found), 5)
        for command, expected in found:
            with self.subTest(command=command):
                if command.endswith(" &"):
                    process = self.shell("exec " + command[:-2])
                    self.background.append(process)
                    self.assertEqual(process.stdout.readline().decode(), expected)
                else:
                    said = self.shell(command).communicate(timeout=DEADLINE)[0].decode()
                    self.assertEqual(said if said.endswith("\n") else said + "\n", expected)


if __name__ == "__main__":
    main()
