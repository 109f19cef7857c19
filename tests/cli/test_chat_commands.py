"""The chat's line protocol beyond the tutorial: limits, refusals, commands."""
import os
import threading

from harness import LineClient, Server, TestCase, TOGETHER, main, options_of

POSITION = options_of("epoll", "loops")


class Lines(TestCase):
    def setUp(self):
        self.server = Server("chat", *POSITION)
        self.addCleanup(self.server.kill)
        self.a, self.b = self.client(), self.client()

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)

    def client(self, **options):
        client = LineClient(self.server, **options)
        self.addCleanup(client.close)
        return client

    def both_get(self, line):
        self.assertEqual([self.a.read_line(), self.b.read_line()], [line, line])

    def refused(self, line, *said):
        """The sender gets an error, and no client gets the line."""
        self.a.send(line + b"\n")
        answer = self.a.read_line()
        self.assertTrue(answer.startswith(b"-- error: "), answer)
        for words in said:
            self.assertIn(words, answer)
        self.a.send(b"marker\n")
        self.both_get(self.a.said(b"marker", self.name_of_a()))

    def name_of_a(self):
        return self.a.name

    def test_length(self):
        longest = "ä".encode() * 4096
        self.a.send(longest + b"\n")
        self.both_get(self.a.said(longest))
        self.a.send(longest + b"\r\n")
        self.both_get(self.a.said(longest))
        self.refused(longest + b"x", b"line too long: at most 8192 bytes")
        self.refused(b"y" * 100_000, b"line too long: at most 8192 bytes")

    def test_what_would_reach_a_terminal(self):
        for line in (b"\x1b[2J", b"bell\x07", b"nul\0", b"del\x7f", b"cr\rin the middle",
                     "c1 \u009b31m".encode(), "turned \u202e around".encode(),
                     "line\u2028separator".encode(), b"\x9b31m", b"\xff\xfe", b"\xc0\x80",
                     b"\xed\xa0\x80", b"cut \xe2\x82"):
            with self.subTest(line=line):
                self.refused(line, b"nobody got this line")
        self.a.send(b"a\ttab\n")
        self.both_get(self.a.said(b"a\ttab"))
        for byte in self.server.log().encode():
            self.assertTrue(byte >= 0x20 or byte == 0x0A, self.server.log())

    def test_no_greeting(self):
        silent = self.client(ready=False)
        self.server.wait_log("joined", 3)
        self.a.send(b"first\n")
        self.assertEqual(silent.read_line(), self.a.said(b"first"))

    def test_unknown_command_is_a_message(self):
        for line in (b"/", b"/usr/bin", b"/nickname x", b"/whoever", b" /who", b"/helpme",
                     b"Quit", b"quit now", b" quit", b"GET away"):
            self.a.send(line + b"\n")
            self.both_get(self.a.said(line))

    def test_nick(self):
        self.a.send(b"/nick alice\n")
        self.assertEqual(self.a.read_line(), b"-- you are alice now\n")
        self.a.send(b"hi\n")
        self.both_get(b"[alice] hi\n")
        for taken in (b"alice", b"ALICE"):
            self.b.send(b"/nick " + taken + b"\n")
            self.assertEqual(self.b.read_line(), b"-- error: the nickname " + taken +
                             b" is taken: choose another\n")
        self.a.send(b"/nick Alice\n")  # one's own name in other letters
        self.assertEqual(self.a.read_line(), b"-- you are Alice now\n")
        self.name_of_a = lambda: "Alice"
        for bad in (b"x" * 33, b"[x]", b"('127.0.0.1', 1)", b"a  b", b"a\tb", "\u200b".encode(),
                    b"a,b", b'"'):
            with self.subTest(bad=bad):
                self.refused(b"/nick " + bad)
        self.a.send(b"/nick\n")
        self.assertEqual(self.a.read_line(), f"-- you are {self.a.name} now\n".encode())
        self.b.send("/nick  älice \n".encode())  # alice is free, and so is this
        self.assertEqual(self.b.read_line(), "-- you are älice now\n".encode())
        self.b.send(b"/nick alice\n")
        self.assertEqual(self.b.read_line(), b"-- you are alice now\n")
        self.b.send(b"quit\n")
        self.assertEqual(self.b.read_line(), b"")
        self.server.wait_log("left: ")
        self.a.send(b"/nick alice\n")
        self.assertEqual(self.a.read_line(), b"-- you are alice now\n")

    def test_who(self):
        self.b.send(b"/nick bob\n")
        self.b.sync()
        self.a.send(b"/who\n")
        self.assertEqual(self.a.read_line(), b"-- 2 here:\n")
        self.assertEqual({self.a.read_line(), self.a.read_line()},
                         {f"-- {self.a.name} (you)\n".encode(), b"-- bob\n"})

    def test_history(self):
        self.a.send(b"/history\n")
        self.assertEqual(self.a.read_line(), b"-- nothing has been said yet\n")
        said = [self.a.said(b"%d" % i) for i in range(250)]
        for i, line in enumerate(said):
            self.a.send(b"%d\n" % i)
            self.both_get(line)
        late = self.client()
        said.append(self.a.said(b"late"))  # its loop has heard everything before this
        self.a.send(b"late\n")
        self.assertEqual(late.read_line(), said[-1])
        for argument, count in ((b"", 200), (b" 3", 3), (b" 200", 200), (b" 999", 200)):
            late.send(b"/history" + argument + b"\n")
            for line in said[-count:]:
                self.assertEqual(late.read_line(), line)
        for bad in (b"-1", b"x", b"3 4", b"1e3"):
            late.send(b"/history " + bad + b"\n")
            self.assertEqual(late.read_line(),
                             b"-- error: /history takes a number, at most 200, or two: 120-156\n")

    def test_help(self):
        self.a.send(b"/help\n")
        listed = b""
        while not listed.endswith(b"-- quit          leave\n"):
            listed += self.a.read_line()
        for command in (b"/nick NAME", b"/who", b"/history [N]", b"/help", b"quit"):
            self.assertIn(b"-- " + command + b" ", listed)

    def test_replies_keep_their_place(self):
        self.a.send(b"one\n/who\ntwo\n")
        self.assertEqual(self.a.read_line(), self.a.said(b"one"))
        self.assertEqual(self.a.read_line(), b"-- 2 here:\n")
        self.a.read_line()
        self.a.read_line()
        self.assertEqual(self.a.read_line(), self.a.said(b"two"))

    def test_asking_without_listening(self):
        """A client that asks for much and reads nothing delays only itself."""
        for _ in range(200):
            self.a.send(b"x" * 1000 + b"\n")
            self.both_get(self.a.said(b"x" * 1000))
        greedy = self.client()
        greedy.sock.settimeout(0.2)
        try:
            while True:
                greedy.send(b"/history\n" * 1000)
        except TimeoutError:
            pass
        self.a.send(b"still here\n")
        self.both_get(self.a.said(b"still here"))
        with open(f"/proc/{self.server.pid}/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        self.assertLess(resident, 300 << 20)
        greedy.reset()


class FirstLine(TestCase):
    """Who begins with something else than a line is hung up on, and nothing of it is heard."""

    def test_what_is_no_line(self):
        http = b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n/nick bad\nfrom a page\n"
        with Server("chat", *POSITION) as server, LineClient(server) as a:
            for first, why in ((b"FOO /" + b"a" * 9000 + http, "too long"),
                               (b"FOO /" + b"a" * 100_000 + http, "too long"),
                               (b"FOO /" + http, "an HTTP request"),
                               (b"\x16\x03\x01\x02\0\x01" + b"\x99" * 32 + b"\nfrom tls\n",
                                "no text"),
                               (b"\x1b[2J\nfrom a terminal\n", "no text")):
                with self.subTest(first=first[:9]), LineClient(server, ready=False) as stranger:
                    stranger.send(first)
                    while line := stranger.read_line():
                        self.assertTrue(line.startswith(b"-- error: "), line)
                    server.wait_log("refused: .*" + why)
            a.send(b"marker\n")
            self.assertEqual(a.read_line(), a.said(b"marker"))

    def test_telnet(self):
        opening = b"\xff\xfb\x1f\xff\xfd\x01\xff\xfa\x1f\0\x50\0\x18\xff\xf0"
        with Server("chat", *POSITION, "--line-timeout", "200ms") as server, \
                LineClient(server) as a, LineClient(server, ready=False) as listener, \
                LineClient(server, ready=False) as talker:
            listener.send(opening)
            talker.send(opening + b"hello\r\n")
            self.assertEqual(a.read_line(), talker.said(b"hello"))
            self.assertEqual(talker.read_line(), talker.said(b"hello"))
            server.wait_log("joined", 3)
            talker.send(b"\xff\xf6")  # are you there, and no line has begun
            with LineClient(server, ready=False) as late:
                late.send(b"begun")
                self.assertEqual(late.read_line(),
                                 b"-- error: a line that has begun must end\n")
            talker.send(b"still here\r\n")
            self.assertEqual(a.read_line(), talker.said(b"still here"))
            while (line := listener.read_line()) != talker.said(b"still here"):
                self.assertEqual(line, talker.said(b"hello"))


class Pressure(TestCase):
    """A client that talks fast is slowed down; no client that reads loses a line."""

    def read_all(self, client, count, text):
        """How many of `count` lines with `text` come before one that says a gap."""
        got = 0
        while got < count:
            line = client.read_line()
            if b" skipped (" in line or not line:
                break
            got += text in line
        return got

    def burst(self, options):
        with Server("chat", *options) as server, LineClient(server) as talker, \
                LineClient(server) as reader:
            got = {}
            readers = [threading.Thread(target=lambda c=c: got.update(
                {c: self.read_all(c, 5000, b"] line ")})) for c in (talker, reader)]
            for thread in readers:
                thread.start()
            talker.send(b"".join(b"line %d\n" % i for i in range(5000)))
            for thread in readers:
                thread.join()
            self.assertEqual([got[talker], got[reader]], [5000, 5000])

    def test_burst(self):
        self.on_every_position(self.burst, TOGETHER)

    def test_many_at_once(self):
        with Server("chat", *POSITION, "--backlog", "4096") as server, LineClient(server) as reader:
            crowd = [LineClient(server) for _ in range(400)]
            for client in crowd:
                client.send(b"answer\n" * 5)
            self.assertEqual(self.read_all(reader, 2000, b"] answer"), 2000)
            for client in crowd:
                client.close()

    def test_who_does_not_read_gets_a_gap_and_holds_up_nobody_for_long(self):
        with Server("chat", *POSITION) as server, LineClient(server) as talker, \
                LineClient(server, receive_buffer=4096) as asleep:
            for _ in range(1000):
                talker.send(b"y" * 8000 + b"\n")
                self.assertEqual(talker.read_line(), talker.said(b"y" * 8000))
            lines = skipped = 0
            while lines + skipped < 1000:  # its loop may learn of the last ones when it reads again
                line = asleep.read_line()
                if b" skipped (" in line:
                    skipped += int(line.split()[1])
                else:
                    self.assertEqual(line, talker.said(b"y" * 8000))
                    lines += 1
            self.assertEqual(lines + skipped, 1000)
            self.assertGreater(skipped, 0)
            talker.send(b"awake?\n")
            self.assertEqual(asleep.read_line(), talker.said(b"awake?"))


class Options(TestCase):
    def test_max_line(self):
        with Server("chat", *POSITION, "--max-line", "64") as server, LineClient(server) as a:
            a.send(b"x" * 64 + b"\n" + b"y" * 65 + b"\n")
            self.assertEqual(a.read_line(), a.said(b"x" * 64))
            self.assertEqual(a.read_line(), b"-- error: line too long: at most 64 bytes\n")

    def test_ipv6(self):
        if not os.path.exists("/proc/net/if_inet6"):
            self.skipTest("no IPv6 here")
        with Server("chat", *POSITION, listen="[::1]:0") as server, LineClient(server) as a:
            self.assertTrue(a.name.startswith("('::1', "))
            a.send(b"six\n")
            self.assertEqual(a.read_line(), a.said(b"six"))

    def test_ipv4_on_an_ipv6_socket(self):
        if not os.path.exists("/proc/net/if_inet6"):
            self.skipTest("no IPv6 here")
        with Server("chat", *POSITION, listen="[::]:0") as server:
            server.host = "127.0.0.1"
            with LineClient(server) as a:
                a.send(b"four\n")
                self.assertEqual(a.read_line(), a.said(b"four"))


if __name__ == "__main__":
    main()
