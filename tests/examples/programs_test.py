"""Uses the programs of examples/programs/ as their users do. EXAMPLES: where they were built."""
import os
import re
import socket
import struct
import subprocess
import time
import unittest

from running import EXAMPLES, Example, Server, ask, read, reset


def program(name, *arguments):
    return Server(os.path.join(EXAMPLES, name), "127.0.0.1:0", *arguments)


def in_pieces(connection, said, size):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, len(said), size):
        connection.sendall(said[at:at + size])


def command(*words):
    """A command of Redis's protocol."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


class RedisServer(unittest.TestCase):
    def test_commands(self):
        said = [
            (command("PING"), b"+PONG\r\n"), (command("ping", "a"), b"$1\r\na\r\n"),
            (command("SET", "k", b"\r\n\0\xff"), b"+OK\r\n"),
            (command("GET", "k"), b"$4\r\n\r\n\0\xff\r\n"), (command("GET", "none"), b"$-1\r\n"),
            (command("SET", "k", "", "NX"), b"$-1\r\n"),
            (command("SET", "k", "", "XX"), b"+OK\r\n"),
            (command("GET", "k"), b"$0\r\n\r\n"), (command("EXISTS", "k", "k", "none"), b":2\r\n"),
            (command("INCR", "n"), b":1\r\n"), (command("INCR", "n"), b":2\r\n"),
            (command("SET", "n", 2 ** 63 - 1), b"+OK\r\n"),
            (command("INCR", "n"), b"-ERR value is not an integer or out of range\r\n"),
            (command("INCR", "k"), b"-ERR value is not an integer or out of range\r\n"),
            (command("DBSIZE"), b":2\r\n"), (command("TTL", "k"), b":-1\r\n"),
            (command("EXPIRE", "k", 100), b":1\r\n"), (command("TTL", "k"), b":100\r\n"),
            (command("EXPIRE", "k", -1), b":1\r\n"), (command("TTL", "k"), b":-2\r\n"),
            (command("SET", "k", "v", "EX", 0),
             b"-ERR value is not an integer or out of range\r\n"),
            (command("SET", "k", "v", "EX"), b"-ERR syntax error\r\n"),
            (command("DEL", "k", "n", "none"), b":1\r\n"),
            (command("GET"), b"-ERR wrong number of arguments for 'GET'\r\n"),
            (command("NO\r\n"), b"-ERR unknown command 'NO\\x0D\\x0A'\r\n"),
            (b"*0\r\n", b""), (b"\r\n", b""), (b"set  a b\r\nGET a\n", b"+OK\r\n$1\r\nb\r\n"),
            (command("FLUSHALL"), b"+OK\r\n"), (command("DBSIZE"), b":0\r\n"),
            (command("QUIT"), b"+OK\r\n"), (command("PING"), b"")]
        everything = b"".join(question for question, _ in said)
        answers = b"".join(answer for _, answer in said)
        for size in (1, 7, len(everything)):
            with self.subTest(size=size), Example("redis_server") as connection, connection:
                in_pieces(connection, everything, size)
                self.assertEqual(read(connection, len(answers) + 1), answers)

    def test_bad_input_is_answered_and_closed(self):
        bad = (b"*x\r\n", b"*\r\n", b"*-1\r\n", b"*1\n", b"*1\r\n+4\r\n", b"*2\r\n$x\r\n",
               b"*1\r\n$4\r\nPINGxx", b"*1\r\n$99999999999\r\n", b"*99999999999\r\n",
               b"*1" + b"0" * 40, b"x" * 70_000)
        for said in bad:
            for behind in (b"", b"more" * 20_000):
                with (self.subTest(said=said[:20], behind=len(behind)),
                      Example("redis_server", "epoll") as connection, connection):
                    connection.sendall(command("PING") + said + behind)
                    self.assertEqual(read(connection, 100), b"+PONG\r\n-ERR Protocol error\r\n")

    def test_what_is_whole_is_answered_at_once(self):
        with Example("redis_server") as connection, connection:
            rest = command("SET", "a", "b")
            self.assertEqual(ask(connection, command("PING") + rest[:12], 7), b"+PONG\r\n")
            self.assertEqual(ask(connection, rest[12:] + command("GET", "a"), 12),
                             b"+OK\r\n$1\r\nb\r\n")

    def test_pipelines_and_large_values(self):
        with Example("redis_server", "auto", "loops", "2") as connection, connection:
            value = os.urandom(3_000_000)
            connection.sendall(command("SET", "large", value) + command("GET", "large") * 3)
            answer = b"$3000000\r\n" + value + b"\r\n"
            self.assertEqual(read(connection, 5 + 3 * len(answer)), b"+OK\r\n" + 3 * answer)
            connection.sendall(command("INCR", "n") * 20_000)
            answers = b"".join(b":%d\r\n" % (n + 1) for n in range(20_000))
            self.assertEqual(read(connection, len(answers)), answers)
            keys = range(100_000)
            connection.sendall(command("DEL", "n", *keys))
            self.assertEqual(read(connection, 4), b":1\r\n")

    def test_connections_share_the_keys(self):
        for dials in (["auto", "loops", "2"], ["blocking", "thread-per-connection"]):
            with self.subTest(dials=dials), program("redis_server", *dials) as server:
                connections = [server.connect() for _ in range(8)]
                for connection in connections:
                    connection.sendall(command("INCR", "n") * 100)
                last = 0
                for connection in connections:
                    with connection:
                        connection.sendall(command("QUIT"))
                        *counts, end = read(connection, 10_000).split()
                        self.assertEqual((len(counts), end), (100, b"+OK"))
                        last = max(last, *(int(count[1:]) for count in counts))
                self.assertEqual(last, 800)

    def test_what_has_expired_is_forgotten(self):
        with Example("redis_server") as connection, connection:
            connection.sendall(command("SET", "a", "b", "PX", 1))
            self.assertEqual(read(connection, 5), b"+OK\r\n")
            until = time.monotonic() + 20
            while ask(connection, command("DBSIZE"), 4) != b":0\r\n":
                self.assertLess(time.monotonic(), until)


class SocksProxy(unittest.TestCase):
    def setUp(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.listener.settimeout(20)
        self.port = struct.pack(">H", self.listener.getsockname()[1])
        self.here = b"\1\x7f\0\0\1" + self.port

    def through(self, server, to):
        """A connection through the proxy, its other end, and where that says it came from."""
        client = server.connect()
        client.sendall(b"\5\1\0" + b"\5\1\0" + to)
        self.assertEqual(read(client, 2), b"\5\0")
        reply = read(client, 10)
        self.assertEqual(reply[:4], b"\5\0\0\1")
        upstream, address = self.listener.accept()
        upstream.settimeout(20)
        self.assertEqual((socket.inet_ntoa(reply[4:8]), *struct.unpack(">H", reply[8:])), address)
        return client, upstream

    def test_bytes_and_ends_both_ways(self):
        name = b"localhost"
        for to in (self.here, b"\3" + bytes([len(name)]) + name + self.port):
            for dials in (["auto"], ["epoll", "loops"], ["blocking", "thread-per-connection"]):
                with self.subTest(to=to, dials=dials), program("socks_proxy", *dials) as server:
                    client, upstream = self.through(server, to)
                    with client, upstream:
                        client.sendall(b"question")
                        client.shutdown(socket.SHUT_WR)
                        self.assertEqual(read(upstream, 1000), b"question")
                        upstream.sendall(b"answer" * 1000)
                        upstream.close()
                        self.assertEqual(read(client, 10_000), b"answer" * 1000)

    def test_ipv6(self):
        try:
            listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError:
            self.skipTest("no IPv6 here")
        port = struct.pack(">H", listener.getsockname()[1])
        loopback = b"\0" * 15 + b"\1"
        with listener, Example("socks_proxy") as client, client:
            client.sendall(b"\5\1\0\5\1\0\4" + loopback + port)
            reply = read(client, 24)
            listener.settimeout(20)
            upstream, address = listener.accept()
            with upstream:
                from_here = loopback + struct.pack(">H", address[1])
                self.assertEqual(reply, b"\5\0" + b"\5\0\0\4" + from_here)

    def test_what_follows_the_request_at_once_is_passed_on(self):
        with Example("socks_proxy") as client, client:
            client.sendall(b"\5\1\0\5\1\0" + self.here + b"early")
            upstream = self.listener.accept()[0]
            with upstream:
                self.assertEqual(read(upstream, 5), b"early")

    def test_a_break_is_no_end(self):
        with program("socks_proxy") as server:
            for upstream_breaks in (True, False):
                client, upstream = self.through(server, self.here)
                with self.subTest(upstream_breaks=upstream_breaks), client, upstream:
                    broken, other = (upstream, client) if upstream_breaks else (client, upstream)
                    other.sendall(b"question")
                    self.assertEqual(read(broken, 8), b"question")
                    reset(broken)
                    self.assertRaises(ConnectionResetError, other.recv, 1)

    def test_silence_is_cut(self):
        with program("socks_proxy", "auto", "loop", "1") as server:
            client, upstream = self.through(server, self.here)
            with client, upstream:
                self.assertRaises(ConnectionResetError, client.recv, 1)
                self.assertRaises(ConnectionResetError, upstream.recv, 1)

    def test_refusals(self):
        bound = socket.socket()  # not listening, so it refuses
        self.addCleanup(bound.close)
        bound.bind(("127.0.0.1", 0))
        closed = b"\1\x7f\0\0\1" + struct.pack(">H", bound.getsockname()[1])
        label = b"a" * 64  # one byte more than the DNS has room for
        greeted = b"\5\0"
        nowhere = b"\0\1" + b"\0" * 6
        cases = [(b"\4\1", b""), (b"\5\1\2", b"\5\xff"), (b"\5\0", b"\5\xff"),
                 (b"\5\1\0" + b"\4\1\0" + self.here, greeted),
                 (b"\5\1\0" + b"\5\1\0" + closed, greeted + b"\5\5" + nowhere),
                 (b"\5\1\0" + b"\5\1\0\3\x40" + label + b"\0\x50", greeted + b"\5\4" + nowhere),
                 (b"\5\1\0" + b"\5\2\0" + self.here, greeted + b"\5\7" + nowhere),
                 (b"\5\1\0" + b"\5\1\0\7" + b"what follows", greeted + b"\5\x08" + nowhere)]
        with program("socks_proxy") as server:
            for said, answer in cases:
                with self.subTest(said=said), server.connect() as client:
                    client.sendall(said)
                    self.assertEqual(read(client, 1000), answer)


def frame(first, payload):
    """A client's frame: masked, with zeros."""
    size = len(payload)
    length = (bytes([0x80 | size]) if size < 126 else
              b"\xfe" + struct.pack(">H", size) if size < 65536 else
              b"\xff" + struct.pack(">Q", size))
    return bytes([first]) + length + b"\0\0\0\0" + payload


class WebSocketServer(unittest.TestCase):
    head = (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")

    def test_echo(self):
        binary = os.urandom(70_000)
        said = self.head + b"".join([
            frame(0x81, b"hi"), frame(0x82, b"\xff\0"), frame(0x01, b"in "), frame(0x89, b"ping"),
            frame(0x80, b"two"), frame(0x8a, b"pong"), frame(0x82, binary),
            frame(0x88, b"\x03\xe8bye"), frame(0x81, b"too late")])
        answers = (b"\x81\x02hi" + b"\x82\x02\xff\0" + b"\x8a\x04ping" + b"\x81\x06in two" +
                   b"\x82\x7f" + struct.pack(">Q", len(binary)) + binary + b"\x88\x02\x03\xe8")
        for dials in ([], ["epoll", "loops"], ["blocking", "thread-per-connection"]):
            for size in (len(said), 1000):
                with (self.subTest(dials=dials, size=size),
                      Example("websocket_server", *dials) as connection, connection):
                    in_pieces(connection, said, size)
                    head, _, frames = read(connection, 200_000).partition(b"\r\n\r\n")
                    self.assertIn(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", head)
                    self.assertEqual(frames, answers)

    def test_much_at_once(self):
        with Example("websocket_server") as connection, connection:
            connection.sendall(self.head + frame(0x82, b"x" * 3_000_000) + frame(0x88, b""))
            self.assertTrue(read(connection, 4_000_000).endswith(b"x" * 3_000_000 + b"\x88\0"))

    def test_bad_frames_are_answered_with_their_code(self):
        for said, code in ((b"\x81\x02hi", 1002), (frame(0x81, b"\xff"), 1007),
                           (frame(0x82, b"x" * 101), 1009)):
            with (self.subTest(said=said[:10]),
                  Example("websocket_server", "epoll", "loop", "100") as connection, connection):
                connection.sendall(self.head + said + b"x" * 100_000)
                frames = read(connection, 10_000).partition(b"\r\n\r\n")[2]
                self.assertEqual((frames[0], frames[2:4]), (0x88, struct.pack(">H", code)))

    def test_refusals(self):
        for said, status in (
                (self.head.replace(b"/echo", b"/other"), b"404"),
                (self.head.replace(b"Upgrade: websocket\r\n", b""), b"426"),
                (self.head.replace(b"Host", b"Origin: http://evil.example\r\nHost"), b"403"),
                (b"hello\n", b"400"), (b"GET /" + b"x" * 100_000, b"414")):
            with (self.subTest(status=status),
                  Example("websocket_server") as connection, connection):
                connection.sendall(said)
                self.assertEqual(read(connection, 10_000).split()[1], status)


def result_of(n):
    """What job_farm computes, in closed form: 50,000 steps of x = x * a + c."""
    a, c, steps, power, sum_of = 6364136223846793005, 1442695040888963407, 50_000, 1, 0
    for bit in bin(steps)[2:]:
        power, sum_of = power * power, sum_of * (power + 1)
        if bit == "1":
            power, sum_of = power * a, sum_of * a + 1
        power, sum_of = power % 2 ** 64, sum_of % 2 ** 64
    return (n * power + c * sum_of) % 2 ** 64


class JobFarm(unittest.TestCase):
    def test_batch(self):
        for workers, kills in ((3, 0), (3, 20), (1, 20)):
            with self.subTest(workers=workers, kills=kills):
                farm = [os.path.join(EXAMPLES, "job_farm"), "batch", "3000", str(workers),
                        str(kills)]
                said = subprocess.run(farm, capture_output=True, check=True, timeout=100).stdout
                found = re.match(rf"3000 jobs, {workers} workers: (\d+) killed, \d+ begun again, "
                                 r"\d+ answered twice, 0 wrong, ", said.decode())
                self.assertTrue(found, said)
                # All jobs may be done before that many have been killed.
                self.assertIn(int(found[1]), range(min(kills, 1), kills + 1))

    def test_serve(self):
        for model in ("auto", "epoll", "blocking"):
            farm = Server(os.path.join(EXAMPLES, "job_farm"), "serve", "127.0.0.1:0", "3", "0.002",
                          model)
            with self.subTest(model=model):
                farm.__enter__()
                with farm.process:
                    clients = [farm.connect() for _ in range(4)]
                    for i, client in enumerate(clients):
                        jobs = range(i * 100, i * 100 + 50)
                        client.sendall(b"".join(b"%d\n" % n for n in jobs))
                    for i, client in enumerate(clients):
                        expected = b"".join(b"%d %d\n" % (n, result_of(n))
                                            for n in range(i * 100, i * 100 + 50))
                        with client:
                            self.assertEqual(read(client, len(expected)), expected)
                    farm.process.terminate()
                    said = farm.process.stdout.read().decode()
                    self.assertEqual(farm.process.wait(20), 0)
                    found = re.fullmatch(r"200 jobs, (\d+) killed, \d+ begun again, "
                                         r"\d+ answered twice\n", said)
                    self.assertTrue(found, said)
                    self.assertGreater(int(found[1]), 0)


if __name__ == "__main__":
    unittest.main()
