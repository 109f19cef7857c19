"""`polyio lab load`: servers that do a thing wrong are caught, figures are what they say.

Where a figure depends on time, only what the order of things makes sure is checked: the machine may
be busy.
"""
import json
import mmap
import os
import selectors
import subprocess
import threading
import time
from socket import SO_REUSEADDR, SOL_SOCKET, socket
from types import SimpleNamespace

from harness import POLYIO, TestCase, main

LOAD = (POLYIO, "lab", "load")


class Serving:
    """A server in a thread of ours: `answer(number of the chunk, chunk)` says what goes back to
    the connection; `say(connections, lines)` hands lines on, for fan-out."""

    def __init__(self, answer=None, say=None):
        self.answer, self.say = answer, say

    def __enter__(self):
        self.listener = socket()
        self.listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(4096)
        self.port = self.listener.getsockname()[1]
        self.stopping = False
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self

    def serve(self):
        connections, chunks = [], 0
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            while not self.stopping:
                for key, _ in selector.select(0.05):
                    if key.fileobj is self.listener:
                        connections.append(self.listener.accept()[0])
                        selector.register(connections[-1], selectors.EVENT_READ)
                        continue
                    try:
                        chunk = key.fileobj.recv(65536)
                        if chunk and self.answer:
                            key.fileobj.sendall(self.answer(chunks, chunk))
                        if chunk and self.say:
                            self.say(connections, chunk.splitlines(keepends=True))
                    except OSError:
                        chunk = b""
                    chunks += 1
                    if not chunk:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()
                        connections.remove(key.fileobj)
        for connection in connections:
            connection.close()

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()
        self.listener.close()


def load(server, mode, *arguments, stdin=None):
    command = [*LOAD, mode, "--server", f"127.0.0.1:{server.port}"]
    for option, usual in (("--patience", 10), ("--warmup", 0.05)):
        if option not in arguments:
            command += [option, str(usual)]
    command += map(str, arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, input=stdin)


def to_all(connections, lines):
    for connection in connections:
        connection.sendall(b"".join(lines))


# For what never comes.
HASTE = ("--patience", 0.5)


class Faults(TestCase):
    def refused(self, serving, text, *arguments):
        with serving as server:
            done = load(server, *arguments)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")

    def echo(self, answer, text, *arguments):
        self.refused(Serving(answer), text, "echo", "--connections", 2, "--seconds", 0.3,
                     *arguments)

    def test_a_letter_left_small(self):
        def small(number, chunk):
            upper = bytearray(chunk.upper())
            if number == 20:
                letter = next(i for i, byte in enumerate(chunk) if chr(byte).islower())
                upper[letter] = chunk[letter]
            return upper
        self.echo(small, "wrong answer: byte")

    def test_a_lost_byte(self):
        self.echo(lambda number, chunk: chunk.upper()[number == 20:], "wrong answer")

    def test_a_byte_too_much(self):
        self.echo(lambda number, chunk: chunk.upper() + b"!" * (number == 20), "too much")

    def test_changed_bytes_that_are_no_letters(self):
        self.echo(lambda number, chunk: chunk.upper().replace(b"\x01", b"\x02"), "wrong answer")

    def test_silence(self):
        self.echo(lambda number, chunk: chunk.upper() if number < 20 else b"", "nothing came",
                  *HASTE)

    def test_connect_mode_checks_too(self):
        self.refused(Serving(lambda _, chunk: chunk), "wrong answer", "connect", "--connections",
                     2, "--seconds", 0.3)

    def fanout(self, say, text, *arguments):
        self.refused(Serving(say=say), text, "fanout", "--connections", 5, "--inflight", 4,
                     "--seconds", 0.3, *arguments)

    def test_a_receiver_that_is_left_out_once(self):
        def skip(connections, lines):
            to_all(connections[1:], lines)
            to_all(connections[:1], [line for line in lines if b"m000000000c" not in line])
        self.fanout(skip, "instead of")

    def test_a_receiver_that_misses_the_only_message(self):
        def skip(connections, lines):
            to_all(connections[1:], lines)
            to_all(connections[:1], [line for line in lines if b"m000000000f" not in line])
        self.refused(Serving(say=skip), "nothing came", "fanout", "--connections", 5,
                     "--seconds", 0.3, *HASTE)

    def test_a_line_twice(self):
        def twice(connections, lines):
            to_all(connections, lines)
            to_all(connections[3:4], [line for line in lines if b"m000000000a" in line])
        self.fanout(twice, "got")

    def test_lines_in_another_order(self):
        self.fanout(lambda connections, lines: to_all(connections, lines[::-1]), "instead of")

    def test_a_changed_line(self):
        def change(connections, lines):
            to_all(connections, [line.replace(b"m0000000014 ", b"m0000000014_") for line in lines])
        self.fanout(change, "instead of")

    def test_nobody_receives(self):
        self.fanout(lambda connections, lines: None, "only 0 of 5 receivers", *HASTE)

    def crowd(self, say, text, *arguments, stdin="say 2\n"):
        """All join; then something is wrong."""
        with Serving(say=say) as server:
            done = load(server, "crowd", "--connections", 5, "--pid", os.getpid(), *arguments,
                        stdin=stdin)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(text, done.stderr)
        self.assertEqual([json.loads(line).get("joined") for line in done.stdout.splitlines()], [5])

    def test_a_crowd_in_which_one_misses_a_line(self):
        def skip(connections, lines):
            to_all(connections[1:], lines)
            to_all(connections[:1], [line for line in lines if b"m0000000001" not in line])
        self.crowd(skip, "nothing came", *HASTE)

    def test_a_crowd_in_which_one_gets_a_changed_line(self):
        def change(connections, lines):
            to_all(connections[:4], lines)
            to_all(connections[4:], [line.replace(b"m0000000001 h", b"m0000000001 H")
                                     for line in lines])
        self.crowd(change, "instead of")

    def test_a_crowd_that_is_told_nonsense(self):
        self.crowd(to_all, "no command", stdin="shout 1\n")

    def test_a_crowd_in_which_nobody_hears(self):
        with Serving(say=lambda connections, lines: None) as server:
            done = load(server, "crowd", "--connections", 5, "--pid", os.getpid(), *HASTE,
                        stdin="")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("only 0 of 5 receivers", done.stderr)

    def test_a_crowd_that_is_never_accepted(self):
        with socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            deaf = SimpleNamespace(port=listener.getsockname()[1])
            done = load(deaf, "crowd", "--connections", 5, "--pid", os.getpid(), *HASTE, stdin="")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("has not accepted", done.stderr)

    def test_other_addresses_are_refused(self):
        done = subprocess.run([*LOAD, "echo", "--server", "192.0.2.1:80"], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("127.x", done.stderr)


class Figures(TestCase):
    def measure(self, answer, mode, *arguments):
        with Serving(answer) as server:
            done = load(server, mode, "--pid", os.getpid(), *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_counts_requests(self):
        found = self.measure(lambda _, chunk: chunk.upper(), "echo", "--connections", 3, "--depth",
                             4, "--size", 100, "--requests", 500)
        self.assertEqual(found["operations"], 500)
        self.assertEqual(found["bytes_checked"], 50_000)

    def test_cpu_time_is_the_servers(self):
        def burn(_, chunk):
            end = time.thread_time() + 0.002
            while time.thread_time() < end:
                pass
            return chunk.upper()
        found = self.measure(burn, "echo", "--connections", 1, "--seconds", 0.5)
        self.assertGreater(found["cpu_us_per_operation"], 2000)
        parts = found["cpu_user_us_per_operation"] + found["cpu_system_us_per_operation"]
        self.assertAlmostEqual(parts, found["cpu_us_per_operation"], delta=0.01)

    def stalled(self, *arguments):
        """The answer of a load whose server does not move for 0.3 s, once, in the measured span."""
        done = []

        def answer(number, chunk):
            if not done and number > 200:
                done.append(True)
                time.sleep(0.3)
            return chunk.upper()
        return self.measure(answer, "echo", "--connections", 10, "--requests", 1000, "--warmup", 0,
                            *arguments)

    def test_an_open_loop_sees_what_a_stall_does_to_everybody(self):
        # 300 of 1,000 fall due in those 300 ms: a fifth waits for 100 ms and longer.
        found = self.stalled("--rate", 1000)
        self.assertEqual(found["operations"], 1000)
        self.assertGreater(found["latency_us"]["p90"], 120_000)
        self.assertGreater(found["latency_us"]["max"], 270_000)

    def test_a_closed_loop_sees_the_stall_once_for_each_connection(self):
        # Ten requests were under way; the other 990 were sent before or after.
        found = self.stalled()
        self.assertGreater(found["latency_us"]["max"], 290_000)
        self.assertLess(found["latency_us"]["p50"], 145_000)

    def test_counts_context_switches(self):
        found = self.measure(lambda _, chunk: chunk.upper(), "echo", "--connections", 1,
                             "--requests", 200)
        # One connection, one message: the server waits for each.
        self.assertGreaterEqual(found["switches_voluntary_per_operation"], 0.9)

    def test_every_so_often(self):
        with Serving(lambda _, chunk: chunk.upper()) as server:
            done = load(server, "echo", "--connections", 2, "--every", 0.05, "--seconds", 0.4)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertGreater(len(found), 1)
        for one in found:
            self.assertGreaterEqual(one["seconds"], 0.05)
            self.assertEqual("latency_us" in one, one["operations"] > 0)
        self.assertGreater(sum(one["operations"] for one in found), 0)
        # What is under way then is of the next.
        for one in found:
            self.assertLessEqual(abs(one["bytes_checked"] - 64 * one["operations"]), 2 * 64)

    def test_latency_percentiles_are_in_order(self):
        latency = self.measure(lambda _, chunk: chunk.upper(), "echo", "--connections", 3,
                               "--requests", 300)["latency_us"]
        names = ["p50", "p90", "p99", "p999", "max"]
        self.assertEqual(sorted(latency.values()), [latency[name] for name in names])

    def test_a_crowd_joins_and_gets_all_lines(self):
        with Serving(say=to_all) as server:
            done = load(server, "crowd", "--connections", 300, "--pid", os.getpid(),
                        stdin="say 1\nmemory\nsay 3\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        joined, one, memory, three = map(json.loads, done.stdout.splitlines())
        self.assertEqual(joined["joined"], 300)
        self.assertIn("bytes_per_connection", memory)
        self.assertEqual((one["messages"], one["operations"]), (1, 300))
        self.assertEqual((three["operations"], three["bytes_checked"]), (900, 900 * 64))
        # Of the whole machine, so others change it, too.
        self.assertIn("kernel_both_ends_per_connection", joined)

    def keep_bytes(self, *arguments):
        kept = []

        def keep(_, chunk):
            # Pages of its own: the heap may have room left from before.
            pages = mmap.mmap(-1, 5 * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            pages.write(b"x" * len(pages))
            kept.append(pages)
            return chunk.upper()
        found = self.measure(keep, *arguments)
        self.assertGreater(found["bytes_per_connection"], 4.9 * mmap.PAGESIZE)
        self.assertLess(found["bytes_per_connection"], 7 * mmap.PAGESIZE)

    def test_memory_per_connection(self):
        self.keep_bytes("idle", "--connections", 500)

    def test_memory_per_connection_beside_an_echo(self):
        self.keep_bytes("echo", "--connections", 500, "--memory", "--requests", 10, "--warmup", 0)


if __name__ == "__main__":
    main()
