"""Running the chat as a service: its file of options, its log, and what systemd hears and gives."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile

from harness import DEADLINE, POLYIO, LineClient, Server, TestCase, main, options_of, run
from test_chat_proxy import Port
from test_tls import self_signed
from websocket import http

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"


class InAFolder(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, text, name="chat.toml"):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def certificate(self):
        return self_signed(self.folder, "chat", "DNS:chat.example.org")


class Configuration(InAFolder):
    def check(self, path):
        done = run("chat", "check-config", path, text=True)
        return done.returncode, done.stdout, done.stderr

    def test_what_is_right(self):
        path = self.file('# a comment\nlisten = "127.0.0.1:0"\nmodel = "poll"\nhost = ["a", "b"]\n'
                         'no-guests = true\nmemory = false\nmax-line = 4096\nmessage-rate = 5.5\n'
                         'idle-timeout = "90s"\nbehind-proxy = ["127.0.0.1", "10.0.0.0/8"]\n')
        self.assertEqual(self.check(path), (0, f"{path} is right\n", ""))

    def test_the_file_that_people_begin_with(self):
        path = str(DEPLOY / "chat.toml")
        self.assertEqual(self.check(path), (0, f"{path} is right\n", ""))
        # With what it only proposes, too.
        cert, key = self.certificate()
        text = re.sub(r"^# (?=[a-z-]+ = )", "", pathlib.Path(path).read_text("utf-8"), flags=re.M)
        self.assertIn("\nbehind-proxy = ", text)
        text = text.replace("/etc/polyio-chat/fullchain.pem", cert)
        path = self.file(text.replace("/etc/polyio-chat/privkey.pem", key))
        self.assertEqual(self.check(path), (0, f"{path} is right\n", ""))

    def test_every_option_may_be_there(self):
        page = run("chat", "--help", text=True).stdout
        names = re.findall(r"^  (?:-h,)?--([a-z-]+)", page, flags=re.M)
        self.assertIn("listen", names)
        for name in set(names) - {"help", "config"}:
            _, _, error = self.check(self.file(f"{name} = 1\n"))
            self.assertNotIn("no setting", error)

    def test_mistakes_are_named(self):
        for text, words in (
                ('modle = "x"', "there is no setting 'modle': see polyio chat --help"),
                ('config = "x"', "there is no setting 'config'"),
                ("help = true", "there is no setting 'help'"),
                ('[chat]\nmodel = "x"', "there are no sections, and no 'chat'"),
                ('model = "x"', "unknown model x; there are auto, "),
                ("workers = 5000", "workers = 5000: --workers: Value 5000 not in range"),
                ('max-line = "abc"', "max-line = abc: "),
                ("idle-timeout = 90", "idle-timeout = 90: --idle-timeout: Missing mandatory unit"),
                ('no-guests = "maybe"', "no-guests = maybe: it is true or false"),
                ("no-guests = [true, true]", "no-guests = true, true: it is true or false"),
                ('model = "epoll"\nmodel = "poll"', "model = epoll, poll: "),
                ('model = "epoll"\nworkers = 1\nmodel = "poll"', "'model' is there twice"),
                ('cert = "a"', "cert needs key"),
                ('cert = "a"\nkey = "b"', "can't read the certificate 'a'"),
                ('host = ["a"\nmodel = "epoll"', "host: its quotes or brackets are wrong"),
                ('data = "/a#b"', "data: its quotes or brackets are wrong"),
                ('behind-proxy = "x"', "behind-proxy = x: "),
                ('listen = "x"', "can't listen on 'x': give ADDRESS:PORT"),
                ('architecture = "prefork"', "can't serve connections that meet in memory"),
                ('log-level = "loud"', "log-level = loud: "),
                ("x\033[31m = 1", "there is no setting 'x\\x1B[31m'")):
            with self.subTest(text=text):
                path = self.file(text + "\n")
                code, said, error = self.check(path)
                self.assertEqual((code, said), (1, ""))
                self.assertTrue(error.startswith(path + ": "), error)
                self.assertIn(words, error)
        for path, words in ((str(self.folder / "none"), "it can't be read"),
                            (str(self.folder), "it is a folder")):
            self.assertEqual(self.check(path), (1, "", f"{path}: {words}\n"))

    def test_no_server_starts_with_mistakes(self):
        path = self.file('modle = "x"\n')
        done = run("chat", "--config", path, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{path}: there is no setting 'modle'", done.stderr)
        cert, _ = self.certificate()
        done = run("chat", "--config", self.file(f'cert = "{cert}"\n'), text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--cert requires --key", done.stderr)

    def test_it_says_where_the_chat_is_to_be_looked_after(self):
        path = self.file(f'model = "epoll"\ndata = "{self.folder}/data"\n')
        with Server("chat", "--config", path, env={**os.environ, "POLYIO_MEMORY": ""}):
            for words, options in ((("user", "add", "ann", "--admin"), {"input": "a good one\n"}),
                                   (("backup", str(self.folder / "copy.db")), {})):
                done = run("chat", "--config", path, *words, text=True, **options)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue((self.folder / "copy.db").exists())
        done = run("chat", "--config", path, "user", "list", text=True)
        self.assertEqual(done.stdout, "ann administrator\n")

    def test_who_wins(self):
        """The command line, the environment, the file, the default."""
        path = self.file('model = "epoll"\narchitecture = "loops"\nworkers = 2\nmemory = false\n'
                         f'data = "{self.folder}/data"\nping-interval = "0s"\n')
        with Server("chat", "--config", path) as server:
            self.assertEqual((server.model, server.architecture), ("epoll", "loops"))
            self.assertFalse((self.folder / "data").exists())  # POLYIO_MEMORY says so
        with Server("chat", "--config", path, "--model", "poll", "--architecture", "loop",
                    "--workers", "1", env={**os.environ, "POLYIO_MEMORY": ""}) as server:
            self.assertEqual((server.model, server.architecture), ("poll", "loop"))
            self.assertTrue((self.folder / "data" / "chat.db").exists())
        # What wins elsewhere is looked at, all the same.
        self.assertEqual(self.check(self.file("memory = 5\n"))[0], 1)


class Log(InAFolder):
    def say(self, *options):
        """The log of a server where this and that has happened."""
        with Server("chat", *options_of("epoll", "loops"), *options) as server:
            with LineClient(server) as a, LineClient(server) as b:
                a.send('she said "hé"\n'.encode())
                self.assertEqual(b.read_line(), a.said('she said "hé"'.encode()))
                b.send(b"/nick bob\n/nick bob\n")
                b.sync()
                a.send(b"/msg bob between us\n")
                a.sync()
                self.assertEqual(http(server, "GET", "/", Host="evil.example").status, 403)
                server.wait_log("refused: ")
        return server.log()

    def test_text(self):
        log = self.say()
        self.assertRegex(log, r'(?m)^\S+ \S+,\d{3} .+ \d+ \[.*\] she said "hé"$')
        self.assertRegex(log, r"(?m)^\S+ \S+ .+ \d+ warning: refused: .*evil\.example")
        self.assertRegex(log, r"(?m) \d+ joined: ")
        self.assertNotIn("between us", log)

    def test_json(self):
        lines = [json.loads(line) for line in self.say("--log-format", "json").splitlines()]
        for line in lines:
            self.assertEqual(set(line), {"time", "level", "message", "pid", "thread"})
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertIsInstance(line["pid"], int)
        self.assertTrue(any(line["message"].endswith('] she said "hé"') and line["level"] == "info"
                            for line in lines))
        self.assertEqual([line["level"] for line in lines if "evil" in line["message"]],
                         ["warning"])
        self.assertFalse(any("between us" in line["message"] for line in lines))

    def test_levels(self):
        log = self.say("--log-level", "warning")
        self.assertRegex(log, r"warning: refused: .*evil\.example")
        self.assertNotIn("she said", log)
        self.assertNotIn("joined", log)
        for options in (("--log-level", "loud"), ("--log-format", "xml")):
            self.assertEqual(run("chat", *options).returncode, 2)

    def test_an_error_is_one(self):
        cert, key = self.certificate()
        with Server("chat", "--cert", cert, "--key", key, "--log-level", "error") as server:
            self.file("nothing\n", "chat.pem")
            server.signal(signal.SIGHUP)
            server.wait_log(r"error: SIGHUP: .*no certificate")
        self.assertEqual(len(server.log().splitlines()), 1)


class Manager:
    """What a service manager hears, and the environment in which it starts a program."""

    def __init__(self, test, name):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        test.addCleanup(self.sock.close)
        self.sock.bind(name.replace("@", "\0", 1))
        self.sock.settimeout(DEADLINE)
        self.environment = {**os.environ, "NOTIFY_SOCKET": name}

    def hears(self):
        return dict(line.split("=", 1) for line in self.sock.recv(4096).decode().split("\n"))


class Systemd(InAFolder):
    def test_ready_reloading_stopping(self):
        cert, key = self.certificate()
        for name, command, options in (
                (str(self.folder / "notify"), "chat", ("--cert", cert, "--key", key)),
                (f"@polyio-test-{os.getpid()}", "echo", ("--model", "epoll")),
                (str(self.folder / "forks"), "echo", options_of("epoll", "prefork"))):
            with self.subTest(command=command, options=options):
                manager = Manager(self, name)
                with Server(command, *options, env=manager.environment) as server:
                    self.assertEqual(manager.hears(), {"READY": "1", "STATUS": server.ready})
                    if command == "chat":
                        server.signal(signal.SIGHUP)
                        reloading = manager.hears()
                        self.assertEqual(reloading.pop("RELOADING"), "1")
                        self.assertGreater(int(reloading.pop("MONOTONIC_USEC")), 0)
                        self.assertEqual((reloading, manager.hears()), ({}, {"READY": "1"}))
                    self.assertEqual(server.stop(), 0)
                    self.assertEqual(manager.hears(), {"STOPPING": "1"})
                manager.sock.setblocking(False)
                with self.assertRaises(BlockingIOError):
                    manager.hears()

    def test_a_manager_that_is_gone_ends_nothing(self):
        with Server("chat", env={**os.environ, "NOTIFY_SOCKET": "/nowhere/at/all"}) as server:
            server.wait_log("warning: the service manager can't be notified: No such file")

    def given(self, *sockets, pid=None):
        """What Popen needs to start a program with these sockets as descriptors 3 and so on."""
        spare = []  # so that none of these numbers is in use
        while not spare or spare[-1] < 16:
            spare.append(os.open(os.devnull, os.O_RDONLY))
            self.addCleanup(os.close, spare[-1])
        copies = [os.dup(sock.fileno()) for sock in sockets]
        for copy in copies:
            self.addCleanup(os.close, copy)

        def give():
            for i, copy in enumerate(copies):
                os.dup2(copy, 3 + i)
            os.environ |= {"LISTEN_PID": str(pid or os.getpid()), "LISTEN_FDS": str(len(copies))}
        return {"preexec_fn": give, "close_fds": False}

    def test_sockets_are_inherited(self):
        with socket.create_server(("127.0.0.1", 0)) as one, \
                socket.create_server(("127.0.0.1", 0)) as two:
            early = socket.create_connection(one.getsockname(), DEADLINE)
            self.addCleanup(early.close)
            with Server("echo", "--model", "epoll", listen="127.0.0.1:1",
                        **self.given(one)) as server:
                self.assertEqual(server.port, one.getsockname()[1])
                early.sendall(b"waited")
                self.assertEqual(early.recv(9), b"WAITED")
            started = subprocess.Popen([POLYIO, "chat", "--model", "epoll"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       stdin=subprocess.DEVNULL, **self.given(one, two))
            self.addCleanup(started.stdout.close)
            self.addCleanup(started.wait)
            self.addCleanup(started.kill)
            self.assertEqual(
                started.stdout.readline().decode(),
                "listening on 127.0.0.1:{}, 127.0.0.1:{} (epoll, loop)\n".format(
                    one.getsockname()[1], two.getsockname()[1]))
            for sock in (one, two):
                self.assertEqual(http(Port(sock.getsockname()[1]), "GET", "/healthz").body, b"ok\n")

    def test_a_wrong_socket_is_refused(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            done = run("chat", text=True, **self.given(sock))
        self.assertEqual(done.returncode, 1)
        self.assertIn("polyio chat: socket activation: descriptor 3 is no ", done.stderr)

    def test_the_sockets_of_another_process(self):
        with socket.create_server(("127.0.0.1", 0)) as sock:
            with Server("echo", **self.given(sock, pid=1)) as server:
                self.assertNotEqual(server.port, sock.getsockname()[1])


if __name__ == "__main__":
    main()
