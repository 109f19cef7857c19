"""Runs every program of examples/ and talks to it. EXAMPLES: the folder they were built into."""
import json
import os
import socket
import subprocess
import unittest

EXAMPLES = os.environ["EXAMPLES"]
POLYIO = os.environ["POLYIO"]


def ask(connection, request, size):
    connection.sendall(request)
    answer = b""
    while len(answer) < size:
        chunk = connection.recv(1024)
        if not chunk:
            break
        answer += chunk
    return answer


class Example:
    """An example that listens; its ready line tells the port."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen([os.path.join(EXAMPLES, name), "127.0.0.1:0", *arguments],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __enter__(self):
        ready = self.process.stdout.readline().decode().split()
        host, port = ready[2].rsplit(":", 1)
        return socket.create_connection((host, int(port)), 20)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()


class Examples(unittest.TestCase):
    def test_every_example_is_run_here(self):
        built = {entry.name for entry in os.scandir(EXAMPLES)
                 if entry.is_file() and os.access(entry.path, os.X_OK)}
        self.assertEqual(built, {"upper", "deadlines", "selectors_upper_sb", "sync_queue"})

    def test_upper_on_every_model(self):
        listed = subprocess.run([POLYIO, "models", "--json"], capture_output=True, check=True)
        for model in json.loads(listed.stdout):
            for architecture in model["architectures"] if model["available"] else []:
                with self.subTest(model=model["model"], architecture=architecture):
                    with Example("upper", model["model"], architecture) as connection, connection:
                        self.assertEqual(ask(connection, b"hello", 5), b"HELLO")

    def test_deadlines(self):
        with Example("deadlines") as connection, connection:
            self.assertEqual(ask(connection, b"123", 11), b"received 3\n")

    def test_sync_queue(self):
        program = os.path.join(EXAMPLES, "sync_queue")
        said = subprocess.run([program], capture_output=True, check=True)
        self.assertEqual(said.stdout, b"5050\n")

    def test_selectors_upper_sb(self):
        program = subprocess.Popen([os.path.join(EXAMPLES, "selectors_upper_sb")])
        try:
            while True:  # the port is the tutorial's; it says nothing when it is ready
                self.assertIsNone(program.poll(), "it ended: is port 8088 in use?")
                try:
                    connection = socket.create_connection(("127.0.0.1", 8088), 20)
                    break
                except ConnectionRefusedError:
                    pass
            with connection:
                self.assertEqual(ask(connection, b"hello", 8), b"HELLO_SB")
        finally:
            program.terminate()
            program.wait(20)


if __name__ == "__main__":
    unittest.main()
