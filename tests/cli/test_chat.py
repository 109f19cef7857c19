"""The chat's line protocol (seed 003's contract) under every model and architecture."""
import os
import select
import socket
import subprocess

from harness import DEADLINE, TOGETHER, LineClient, Server, TestCase, main, run, wait_until

# 2026-11-21 03:20:17,123 run 4711 text: time, thread name, thread id, what happened
LOGGED = r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \S+ \d+ "


def quoted(text):
    return text.replace("(", r"\(").replace(")", r"\)").replace("[", r"\[").replace("]", r"\]")


class Netcat:
    """A real `nc`, which has joined; one that says nothing at first does after 300 ms."""

    def __init__(self, server, says=b""):
        joined = server.log().count(" joined: ")
        self.process = subprocess.Popen(["nc", server.host, str(server.port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.send(says)
        server.wait_log(r" joined: \('127\.0\.0\.1', \d+\)", joined + 1)
        self.name = server.log().rsplit(" joined: ", 1)[1].splitlines()[0]

    def send(self, data):
        self.process.stdin.write(data)

    def expect(self, test, data):
        got = b""
        while len(got) < len(data):
            if not select.select([self.process.stdout], [], [], DEADLINE)[0]:
                break
            chunk = os.read(self.process.stdout.fileno(), len(data) - len(got))
            if not chunk:
                break
            got += chunk
        test.assertEqual(got, data)

    def close(self):
        """Ends it as Ctrl-C does; any unexpected output."""
        self.process.kill()
        self.process.wait()
        with self.process.stdin, self.process.stdout:
            return self.process.stdout.read()


class EveryPosition(TestCase):
    def test_all(self):
        """All that follows, in this order, with one server for each position."""
        checks = (self.nc, self.lines, self.silent_client, self.order, self.reset_storm,
                  self.slow_reader, self.stop)

        def on_one(options):
            with Server("chat", *options) as server:
                for check in checks:
                    check(server)
        self.on_every_position(on_one, TOGETHER)

    def all_get(self, clients, *lines):
        for client in clients:
            for line in lines:
                self.assertEqual(client.read_line(), line)

    def nc(self, server):
        first = Netcat(server, b"hello\n")
        first.expect(self, f"[{first.name}] hello\n".encode())
        second = Netcat(server)
        for sender, text in ((first, "again"), (second, "Grüße, 世界"), (first, "")):
            sender.send(text.encode() + b"\n")
            line = f"[{sender.name}] {text}\n".encode()
            first.expect(self, line)
            second.expect(self, line)
        second.send(b"quit\n")
        server.wait_log(LOGGED + "left: " + quoted(second.name) + "$")
        first.send(b"alone\n")
        first.expect(self, f"[{first.name}] alone\n".encode())
        self.assertEqual(second.close(), b"")
        self.assertEqual(first.close(), b"")
        server.wait_log(LOGGED + "left: " + quoted(first.name) + "$")
        for event in (f"joined: {first.name}", f"joined: {second.name}",
                      f"[{first.name}] hello", f"[{second.name}] Grüße, 世界", f"[{first.name}] "):
            self.assertRegex(server.log(), LOGGED + quoted(event) + "$")

    def lines(self, server):
        with LineClient(server) as a, LineClient(server) as b, LineClient(server) as c:
            everyone = (a, b, c)
            for byte in b"split over many segments\r\n":
                a.send(bytes([byte]))
            self.all_get(everyone, a.said(b"split over many segments"))
            b.send(b"one\ntwo\r\n\nfour\n")
            self.all_get(everyone, b.said(b"one"), b.said(b"two"), b.said(b""),
                                b.said(b"four"))
            c.send(b"tail\nquit\nnever said\n")
            self.all_get(everyone, c.said(b"tail"))
            self.assertEqual(c.read_line(), b"")
            b.send(b"the last line has no end")
            b.sock.shutdown(socket.SHUT_WR)
            self.all_get((a, b), b.said(b"the last line has no end"))
            self.assertEqual(b.read_line(), b"")
            a.send(b"alone\n")
            self.all_get((a,), a.said(b"alone"))

    def silent_client(self, server):
        """Without a word it is a line client after 300 ms; a browser that comes late is not."""
        with LineClient(server) as a, LineClient(server, ready=False) as silent, \
                LineClient(server, ready=False) as browser:
            server.wait_log("joined: " + quoted(silent.name))
            server.wait_log("joined: " + quoted(browser.name))
            a.send(b"psst\n")
            self.all_get((a, silent, browser), a.said(b"psst"))
            browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(browser.read_line(), b"")
            silent.send(b"awake\n")  # the next message
            self.all_get((a, silent), silent.said(b"awake"))

    def order(self, server):
        """20 senders, 50 lines each: everyone gets all of them, each sender's in their order."""
        senders = [LineClient(server) for _ in range(20)]
        listener = LineClient(server)
        everyone = [*senders, listener]
        heard = {client: {sender.name: [] for sender in senders} for client in everyone}
        for start in range(0, 50, 5):  # no more at once than an outbox takes
            for i in range(start, start + 5):
                for sender in senders:
                    sender.send(b"%d\n" % i)
            for client in everyone:
                for _ in range(5 * len(senders)):
                    name, text = client.read_line().decode()[1:].split("] ")
                    heard[client][name].append(int(text))
        for client in everyone:
            for sender in senders:
                self.assertEqual(heard[client][sender.name], list(range(50)))
            client.close()

    def reset_storm(self, server):
        """200 clients reset while others talk: no other client notices, nothing is left over."""
        with LineClient(server) as a, LineClient(server) as b:
            before = server.descriptors()
            for turn in range(10):
                victims = [LineClient(server, ready=False) for _ in range(20)]
                for i, victim in enumerate(victims):
                    victim.send((b"", b"GET /", b"half", b"/help\n")[i % 4])
                a.send(b"%d\n" % turn)
                for victim in victims:
                    victim.reset()
                for client in (a, b):
                    self.assertEqual(self.next_of(client, a), a.said(b"%d" % turn))
            wait_until(lambda: server.descriptors() <= before, "the descriptors' return")
            b.send(b"/who\n")
            wait_until(lambda: self.present(b) == 2, "the victims' leaving")

    def next_of(self, client, sender):
        """The next line of `sender`'s that `client` gets."""
        while not (line := client.read_line()).startswith(b"[" + sender.name.encode()):
            self.assertTrue(line, "closed")
        return line

    def present(self, client):
        line = client.read_line()
        while not line.endswith(b" here:\n"):
            line = client.read_line()
        count = int(line.split()[1])
        if count != 2:
            client.send(b"/who\n")
        return count

    def slow_reader(self, server):
        """One that does not read misses messages and gets their number; the sender never waits."""
        text = b"%06d " + b"x" * 8000
        with LineClient(server) as a, LineClient(server, receive_buffer=4096) as slow:
            total = 1500
            for i in range(total):
                a.send(text % i + b"\n")
                self.assertEqual(a.read_line(), a.said(text % i))
            got = next_number = skipped = 0
            while got + skipped < total:
                line = slow.read_line()
                if line.startswith(b"-- "):
                    self.assertRegex(line, rb"^-- \d+ messages? skipped \(\d+ to \d+\)\n$")
                    skipped += int(line.split()[1])
                    next_number += int(line.split()[1])
                else:
                    self.assertEqual(line, a.said(text % next_number))
                    got += 1
                    next_number += 1
            self.assertGreater(skipped, 0)
            a.send(b"all again\n")
            self.assertEqual(slow.read_line(), a.said(b"all again"))
            self.assertEqual(a.read_line(), a.said(b"all again"))

    def stop(self, server):
        """What was said before is heard; then all connections end."""
        with LineClient(server) as a, LineClient(server) as b, \
                LineClient(server, ready=False) as silent:
            a.send(b"the end\n")
            self.all_get((a, b), a.said(b"the end"))
            server.wait_until_accepted()
            server.signal()
            for client in (a, b):
                self.assertEqual(client.read_line(), b"")
                client.close()
            # On a slow machine it was silent for long enough to have joined.
            self.assertIn(silent.read_line(), (b"", a.said(b"the end")))
            self.assertEqual(silent.read_line(), b"")
            silent.close()
            self.assertEqual(server.wait(), 0)
            self.assertRegex(server.log(), LOGGED + r"stopped$")
            self.assertNotIn(" cut ", server.log())


class WhereItCannotRun(TestCase):
    def test_rooms_need_one_process_that_serves_several(self):
        for architecture, why in (("prefork", "a memory of its own"),
                                  ("process-per-connection", "a memory of its own"),
                                  ("iterative", "one connection is served at a time")):
            done = run("chat", "--listen", "127.0.0.1:0", "--model", "epoll",
                       "--architecture", architecture, text=True)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(why, done.stderr)
            self.assertIn("use loop, loops, thread-per-connection, thread-pool", done.stderr)


if __name__ == "__main__":
    main()
