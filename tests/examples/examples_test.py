"""Runs every program of examples/ and talks to it. EXAMPLES: the folder they were built into."""
import contextlib
import json
import os
import select
import socket
import subprocess
import threading
import unittest

from running import EXAMPLES, Example, Server, ask, on_selectors, read, reset, talk

POLYIO = os.environ["POLYIO"]


class Examples(unittest.TestCase):
    def test_every_example_is_run_here(self):
        built = {entry.name for entry in os.scandir(EXAMPLES)
                 if entry.is_file() and os.access(entry.path, os.X_OK)}
        self.assertEqual(built, {"upper", "upper_client", "deadlines", "datagrams", "sync_queue",
                                 "heavy_handler", "pooled_client", "key_value", "forward",
                                 "pooled_front", "batches", "two_doors", "filter",
                                 "websocket_echo", "jobs", "turn_the_dial",
                                 "fastest", "sleepers", "switching", "thread_results",
                                 "selectors_upper_sb",
                                 "selectors_peer_text", "selectors_group_chat",
                                 "three_processes", "guardian", "thread_666", "process_states",
                                 # process_examples_test.py
                                 "tickets", "toilets", "traffic_light", "two_keys", "row_locks",
                                 "lock_order", "producer_consumer", "process_pool",
                                 # programs_test.py
                                 "redis_server", "socks_proxy", "websocket_server", "job_farm",
                                 "upper_tls"})

    def test_upper_on_every_model(self):
        listed = subprocess.run([POLYIO, "models", "--json"], capture_output=True, check=True)
        for model in json.loads(listed.stdout):
            for architecture in model["architectures"] if model["available"] else []:
                with self.subTest(model=model["model"], architecture=architecture):
                    with Example("upper", model["model"], architecture) as connection, connection:
                        self.assertEqual(ask(connection, b"hello", 5), b"HELLO")

    def test_turn_the_dial(self):
        program = [os.path.join(EXAMPLES, "turn_the_dial"), "127.0.0.1:0"]
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as server:
            port = int(server.stdout.readline().split()[2].split(":")[1])
            with socket.create_connection(("127.0.0.1", port), 20) as connection:
                for model, said in (("poll", "poll after "),
                                    ("epoll-et", "epoll-et after poll: 1 "),
                                    ("blocking", "architecture loop does not go with "),
                                    ("epoll", "epoll after epoll-et: 1 connections")):
                    self.assertEqual(ask(connection, b"hello", 5), b"HELLO")
                    server.stdin.write(model + "\n")
                    server.stdin.flush()
                    self.assertIn(said, server.stdout.readline())
                self.assertEqual(ask(connection, b"hello", 5), b"HELLO")
            server.stdin.close()
            self.assertEqual(server.wait(20), 0)

    def test_deadlines(self):
        with Example("deadlines") as connection, connection:
            self.assertEqual(ask(connection, b"123", 11), b"received 3\n")

    def test_sync_queue(self):
        program = os.path.join(EXAMPLES, "sync_queue")
        said = subprocess.run([program], capture_output=True, check=True)
        self.assertEqual(said.stdout, b"5050\n")

    def test_datagrams(self):
        with Server(os.path.join(EXAMPLES, "datagrams"), "127.0.0.1:0") as server:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(20)
                for count in range(1, 4):
                    client.sendto(b"hello", server.address)
                    self.assertEqual(client.recv(100), b"hello %d" % count)

    def test_heavy_handler_measures_inline_and_offloaded(self):
        program = os.path.join(EXAMPLES, "heavy_handler")
        said = subprocess.run([program], capture_output=True, check=True, timeout=60)
        head, columns, *rows = said.stdout.decode().splitlines()
        self.assertIn("50 ms", head)
        self.assertEqual(columns.split()[:2], ["heavy", "requests"])
        self.assertEqual([row.split()[0] for row in rows], ["inline", "offloaded"])
        for row in rows:
            requests, p50, p99, longest = (float(cell) for cell in row.split()[1:])
            self.assertGreater(requests, 0)
            self.assertLessEqual(p50, p99)
            self.assertLessEqual(p99, longest)

    def test_heavy_handler_answers(self):
        for how in ("inline", "offloaded"):
            with Example("heavy_handler", how) as connection, connection:
                self.assertEqual(ask(connection, b"light", 5), b"light")
                self.assertGreater(int(ask(connection, b"h", 1)), 0)

    def test_pooled_client(self):
        program = os.path.join(EXAMPLES, "pooled_client")
        with Example("upper") as connection, connection:
            host, port = connection.getpeername()
            said = subprocess.run([program, f"{host}:{port}"], capture_output=True, check=True,
                                  timeout=60)
        self.assertEqual(said.stdout, b"20 answers over 4 connections, 16 times reused\n")

    def test_fastest(self):
        with contextlib.ExitStack() as stack:
            listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0)))
                         for _ in range(3)]
            fails, silent, answers = ("{}:{}".format(*listener.getsockname())
                                      for listener in listeners)
            listeners[0].close()  # refused at once
            with subprocess.Popen([f"{EXAMPLES}/fastest", fails, silent, answers], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
                self.assertIn(f"{fails}: ", run.stderr.readline())

                def answer():  # the first connection may be one that the failure has ended
                    with contextlib.suppress(OSError):
                        while True:
                            connection, _ = listeners[2].accept()
                            stack.enter_context(connection)
                            connection.send(b"hello\nmore")
                thread = threading.Thread(target=answer)
                thread.start()
                self.assertEqual(run.stdout.read(), f"{answers} says: hello\n")
                listeners[2].shutdown(socket.SHUT_RDWR)
                thread.join()
            self.assertEqual(run.returncode, 0)

    def test_sleepers_on_every_model(self):
        listed = subprocess.run([POLYIO, "models", "--json"], capture_output=True, check=True)
        for model in json.loads(listed.stdout):
            if not model["available"]:
                continue
            with self.subTest(model=model["model"]):
                run = subprocess.run([f"{EXAMPLES}/sleepers", "1000", "100", model["model"]],
                                     timeout=60, capture_output=True, text=True, check=True)
                self.assertRegex(run.stdout, r"^1000 of 1000 slept 100 ms each, in \d+\.\d+ s$")

    def test_switching(self):
        run = subprocess.run([f"{EXAMPLES}/switching"], timeout=60, capture_output=True,
                             text=True, check=True)
        rows = {line.split()[0]: line.split() for line in run.stdout.splitlines()[1:]}
        self.assertGreaterEqual(float(rows["waiting"][1]), 1.0)  # 10 tasks, 5 waits of 20 ms
        self.assertLess(float(rows["waiting"][-1]), 1)
        self.assertGreater(float(rows["computing"][-1]), 0)
        self.assertRegex(run.stdout, r"a switch costs -?\d+ ns\na spawn costs \d+ ns\n$")

    def test_thread_results(self):
        run = subprocess.run([f"{EXAMPLES}/thread_results", "20"], timeout=60,
                             capture_output=True, text=True, check=True)
        lines = run.stdout.splitlines()
        answers = [f"{number} ok" for number in range(20)]
        self.assertEqual(lines[1:21], answers)
        self.assertEqual(lines[22:42], answers)
        together, one_by_one = (float(lines[i].split()[-2]) for i in (21, 42))
        self.assertGreaterEqual(together, 4 * 0.020)
        self.assertGreaterEqual(one_by_one, 20 * 0.020)

    def test_three_processes_by_either_method(self):
        for method in ("fork", "spawn"):
            with self.subTest(method):
                run = subprocess.run([f"{EXAMPLES}/three_processes", method, "700"], timeout=60,
                                     capture_output=True, text=True, check=True)
                lines = run.stdout.splitlines()
                self.assertEqual(sorted(lines[:3]), ["one begins", "three begins", "two begins"])
                for name in ("one", "two", "three"):
                    self.assertIn(f"{name} ends", lines[3:])
                    self.assertIn(f"{name}: exit code 0", lines)

    def test_guardian_ends_with_its_parent(self):
        for kill in (True, False):
            with self.subTest(kill=kill), subprocess.Popen(
                    [f"{EXAMPLES}/guardian"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    text=True) as main:
                lines = sorted((main.stdout.readline(), main.stdout.readline()))
                self.assertEqual(lines[1], "main: this can be set only before start()\n")
                name, pid, guards, parent = lines[0].split()
                self.assertEqual((name, guards, int(parent)), ("guardian", "guards", main.pid))
                self.assertTrue(os.path.exists(f"/proc/{pid}"))
                if kill:
                    main.kill()
                else:
                    main.stdin.write("\n")
                    main.stdin.flush()
                # The guardian has the pipe too: its end is the guardian's.
                self.assertEqual(main.stdout.read(), "" if kill else "main ends\n")

    def test_thread_666(self):
        run = subprocess.run([f"{EXAMPLES}/thread_666"], timeout=60, capture_output=True,
                             text=True, check=True)
        self.assertIn("after join: 1000 times 666\n", run.stdout)

    def test_process_states(self):
        run = subprocess.run([f"{EXAMPLES}/process_states"], timeout=60, capture_output=True,
                             text=True, check=True)
        rows = {line.split()[0]: line.split()[1:] for line in run.stdout.splitlines()[1:]}
        self.assertEqual(rows["computes"][0], "ready")  # the observer has the CPU
        self.assertGreater(int(rows["computes"][2]), int(rows["computes"][1]))
        self.assertIn(rows["waits"][0], ("blocked", "ready"))
        self.assertGreater(int(rows["waits"][1]), 20)
        self.assertEqual(rows["stopped"][0], "stopped")


class Tutorials(unittest.TestCase):
    """The tutorials' programs, byte for byte."""
    MESSAGES = ["hello", "a", "Hello, World 123", "Grüße, 世界", " ", "x" * 1000]

    @staticmethod
    def upper(text):  # bytes.upper() changes ASCII letters alone
        return text.encode().upper().decode()

    def test_upper_sb(self):
        with on_selectors("selectors_upper_sb") as server, server.connect() as client:
            expected = [self.upper(message) + "_SB" for message in self.MESSAGES]
            self.assertEqual(talk(client, self.MESSAGES), expected)

    def test_peer_text(self):
        with on_selectors("selectors_peer_text") as server, server.connect() as client:
            expected = [f"{client.getsockname()}-{message}" for message in self.MESSAGES]
            self.assertEqual(talk(client, self.MESSAGES), expected)

    def test_upper_by_polyio_echo_on_every_model(self):
        listed = subprocess.run([POLYIO, "models", "--json"], capture_output=True, check=True)
        for model in json.loads(listed.stdout):
            if not model["available"]:
                continue
            command = [POLYIO, "echo", "--listen", "127.0.0.1:0", "--model", model["model"]]
            with self.subTest(model=model["model"]), Server(*command) as server:
                with server.connect() as client:
                    expected = [self.upper(message) for message in self.MESSAGES]
                    self.assertEqual(talk(client, self.MESSAGES), expected)

    def test_default_ports(self):
        for name, port in (("selectors_upper_sb", 8088), ("selectors_peer_text", 3999),
                           ("selectors_group_chat", 3999)):
            with self.subTest(name):
                try:
                    socket.create_server(("127.0.0.1", port)).close()
                except OSError as error:
                    self.skipTest(f"port {port} can't be had here: {error}")
                with Server(os.path.join(EXAMPLES, name)) as server:
                    self.assertEqual(server.address, ("127.0.0.1", port))

    def test_upper_client(self):
        """Against the tutorials' server, which answers what one recv gave it, and polyio's."""
        typed = "hello\n\nGrüße\nquit\n"
        shown = ">>: HELLO\n>>: >>: GRüßE\n>>: QUIT\n>>: "
        client = os.path.join(EXAMPLES, "upper_client")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve():
                connection, _ = listener.accept()
                with connection:
                    while data := connection.recv(1024):
                        connection.send(data.upper())
            thread = threading.Thread(target=serve)
            thread.start()
            host, port = listener.getsockname()
            said = subprocess.run([client, f"{host}:{port}"], input=typed.encode(),
                                  capture_output=True, check=True, timeout=20)
            thread.join()
            self.assertEqual(said.stdout.decode(), shown)
        with Server(POLYIO, "echo", "--listen", "127.0.0.1:0") as server:
            said = subprocess.run([client, "{}:{}".format(*server.address)], input=typed.encode(),
                                  capture_output=True, check=True, timeout=20)
            self.assertEqual(said.stdout.decode(), shown)

    def enter(self, member, *others):
        """Says something until all hear it: the next to connect comes when this one is in."""
        member.send(b"in")
        said = f"[{member.getsockname()}] in".encode()
        for hearer in (member, *others):
            self.assertEqual(read(hearer, len(said)), said)

    def test_group_chat(self):
        with on_selectors("selectors_group_chat") as server:
            with contextlib.ExitStack() as stack:
                members = []
                for _ in range(3):
                    members.insert(0, stack.enter_context(server.connect()))
                    self.enter(*members)
                ann, bob, eve = members
                for who, text in ((ann, "hello"), (bob, "Grüße"), (eve, "quit it"),
                                  (ann, "x" * 1000)):
                    said = f"[{who.getsockname()}] {text}".encode()
                    who.send(text.encode())
                    for member in members:
                        self.assertEqual(read(member, len(said)), said)
                bob.send(b"quit")
                self.assertEqual(bob.recv(1024), b"")
                eve.shutdown(socket.SHUT_WR)
                self.assertEqual(eve.recv(1024), b"")
                said = f"[{ann.getsockname()}] alone".encode()
                ann.send(b"alone")
                self.assertEqual(read(ann, len(said)), said)

    def test_the_dead_harm_nobody(self):
        for name in ("selectors_upper_sb", "selectors_peer_text", "selectors_group_chat"):
            with self.subTest(name), on_selectors(name) as server, server.connect() as client:
                for i in range(30):
                    dead = server.connect()
                    for _ in range(i % 3):
                        dead.send(b"going" * 100)
                    if i % 2:
                        reset(dead)  # what was for it can't be sent
                    else:
                        dead.close()
                client.send(b"still here")
                heard = b""
                while b"still here" not in heard.lower():  # behind what the dead said, in the chat
                    chunk = client.recv(65536)
                    self.assertTrue(chunk, "the server has closed")
                    heard += chunk

    def test_partial_sends_are_kept(self):
        """A client that doesn't read at first, more than any buffer holds: nothing is lost."""
        data = bytes(range(97, 123)) * 400_000
        for name in ("selectors_upper_sb", "selectors_peer_text"):
            with self.subTest(name), on_selectors(name) as server, server.connect() as client:
                upper = name == "selectors_upper_sb"
                mark = b"_SB" if upper else f"{client.getsockname()}-".encode()
                client.setblocking(False)
                sent = 0
                while select.select([], [client], [], 0.3)[1]:  # until nothing moves any more
                    sent += client.send(data[sent:sent + 65536])
                self.assertLess(sent, len(data), "the buffers hold it all: the test shows nothing")
                client.settimeout(20)
                writer = threading.Thread(target=lambda: (client.sendall(data[sent:]),
                                                          client.shutdown(socket.SHUT_WR)))
                writer.start()
                answer = b""
                while chunk := client.recv(1 << 20):
                    answer += chunk
                writer.join()
                expected = data.upper() if upper else data
                self.assertEqual(answer.replace(mark, b""), expected)

    def test_a_slow_member_gets_everything(self):
        with on_selectors("selectors_group_chat") as server:
            slow = socket.socket()
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.settimeout(20)
            slow.connect(server.address)
            self.enter(slow)
            with slow, server.connect() as busy:
                self.enter(busy, slow)
                said = b""
                for i in range(600):
                    text = b"%d " % i * 200
                    message = f"[{busy.getsockname()}] ".encode() + text[:1000]
                    busy.send(text[:1000])
                    self.assertEqual(read(busy, len(message)), message)
                    said += message
                self.assertEqual(read(slow, len(said)), said)


if __name__ == "__main__":
    unittest.main()
