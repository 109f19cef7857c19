"""What lies in deploy/, and in docs/deploying.md: units, the proxies' settings, the hook."""
import functools
import itertools
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import unittest

from harness import (DEADLINE, POLYIO, WITHOUT_LEAK_CHECK, LineClient, Server, has_loop, main,
                     models, options_of, reserved_port, wait_until)
from test_chat_operate import DEPLOY, InAFolder
from test_chat_proxy import CONFIGURATION, NGINX, Port
from test_models import strace_problem
from websocket import WebSocket, http

ANALYZE = shutil.which("systemd-analyze")
CADDY = shutil.which("caddy")


class Units(InAFolder):
    def setUp(self):
        super().setUp()
        if not ANALYZE:
            self.skipTest("systemd-analyze is missing: apt install systemd")
        self.text = (DEPLOY / "polyio-chat.service").read_text("utf-8")
        self.service = self.file(self.text.replace("/usr/local/bin/polyio", POLYIO),
                                 "polyio-chat.service")
        shutil.copy(DEPLOY / "polyio-chat.socket", self.folder)

    def analyze(self, *arguments):
        done = subprocess.run([ANALYZE, *arguments], capture_output=True, text=True, check=False,
                              timeout=DEADLINE, cwd=self.folder)
        return done.returncode, done.stdout + done.stderr

    def test_they_are_right(self):
        code, said = self.analyze("verify", "--man=no", "./polyio-chat.service",
                                  "./polyio-chat.socket")
        self.assertEqual(code, 0, said)
        self.assertNotIn("polyio-chat", said)  # no warnings

    def test_what_the_service_may_do_is_little(self):
        code, said = self.analyze("security", "--offline=true", "--no-pager", "--threshold=20",
                                  "./polyio-chat.service")
        self.assertEqual(code, 0, said)

    @functools.lru_cache(maxsize=None)
    def calls(self, group):
        code, said = self.analyze("syscall-filter", "--no-pager", group)
        self.assertEqual(code, 0, said)
        names = set()
        for line in said.splitlines()[1:]:
            name = line.strip()
            if name.startswith("@"):
                names |= self.calls(name)
            elif name and not name.startswith("#"):
                names.add(name)
        return names

    def test_every_model_makes_do_with_these_calls(self):
        if problem := strace_problem():
            self.skipTest(problem)
        allowed = set()
        for line in re.findall(r"(?m)^SystemCallFilter=(.*)$", self.text):
            groups = [self.calls(name) for name in line.lstrip("~").split()]
            allowed = allowed.difference(*groups) if line[0] == "~" else allowed.union(*groups)
        self.assertTrue({"io_uring_setup", "openat"} <= allowed and "mount" not in allowed)
        cert, key = self.certificate()
        for number, entry in enumerate(models()):
            if not entry["available"]:
                continue
            with self.subTest(model=entry["model"]):
                made = self.calls_of_a_server(entry["model"], str(self.folder / str(number)),
                                              "--cert", cert, "--key", key)
                self.assertIn("accept4" if not entry["model"].startswith("io_uring") else
                              "io_uring_setup", made)
                # SQLite gives a database's files to its owner, where it is root.
                self.assertLessEqual(made - {"execve", "fchown"}, allowed)

    def calls_of_a_server(self, model, folder, *options):
        """Those of a chat that keeps a message and hashes a password."""
        trace = folder + ".trace"
        with Server("chat", *options_of(model, "loops" if has_loop(model) else
                                        "thread-per-connection"), "--data", folder, *options,
                    prefix=("strace", "-f", "-qq", "-o", trace),
                    env={**WITHOUT_LEAK_CHECK, "POLYIO_MEMORY": "false"}) as server:
            with LineClient(server) as client, WebSocket(server) as page:
                client.send(b"/nick ann\n/register a-long-password\n")
                client.send(b"kept\n")
                while page.entry()["text"] != "kept":
                    pass
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(server.connect()) as client:
                client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                self.assertIn(b"200", client.recv(4096))
        with open(trace, encoding="utf-8", errors="replace") as file:
            text = file.read()
        self.assertNotRegex(text, r"PROT_WRITE\|PROT_EXEC")  # MemoryDenyWriteExecute
        families = re.search(r"(?m)^RestrictAddressFamilies=(.*)$", self.text)[1].split()
        self.assertLessEqual(set(re.findall(r" socket\((\w+)", text)), set(families))
        return set(re.findall(r"(?m)^\d+ +([a-z_0-9]+)\(", text))


class ByHand(InAFolder):
    @unittest.skipUnless(shutil.which("openssl"), "there is no openssl")
    def test_the_commands_make_a_private_chat(self):
        page = (DEPLOY.parent / "docs/deploying.md").read_text("utf-8")
        certify, add, serve = re.search(r"by hand\n.*?```sh\n(.*?)```", page, re.S)[1].splitlines()
        data = ("--data", str(self.folder / "data"))
        env = {**os.environ, "POLYIO_MEMORY": "false"}
        subprocess.run(certify, shell=True, check=True, capture_output=True, cwd=self.folder,
                       timeout=DEADLINE)
        program = shlex.split(add)
        self.assertEqual(program.pop(0), "./run")
        subprocess.run([POLYIO, *program, *data], input=b"a long password\n", check=True,
                       capture_output=True, timeout=DEADLINE)
        options = serve.removeprefix("./run chat --listen :3999 ")
        options = shlex.split(options.replace("chat.", f"{self.folder}/chat.")
                              .replace("$(hostname)", socket.gethostname()))
        with Server("chat", *options, *data, env=env) as server:
            ask = functools.partial(subprocess.run, [
                POLYIO, "connect", "--tls", "--ca", str(self.folder / "chat.pem"),
                f"localhost:{server.port}"], capture_output=True, timeout=DEADLINE, check=False)
            self.assertIn(b"no guests here", ask(input=b"hello\n").stdout)
            said = ask(input=b"/login ann a long password\nhello\n/history\n").stdout
            self.assertIn(b"[ann] hello", said)
            with server.connect() as plain:
                plain.sendall(b"hello\n")
                self.assertIn(b"TLS only", plain.recv(4096))


class BehindAProxy(InAFolder):
    """The proxies' settings as they lie in deploy/, but for the ports and the certificate."""

    def setUp(self):
        super().setUp()
        self.cert, self.key = self.certificate()
        self.chat = Server("chat", *options_of("epoll", "loops"), "--host", "chat.example.org",
                           "--behind-proxy", "127.0.0.1")
        self.addCleanup(self.chat.kill)
        self.port = Port(reserved_port(self))
        self.numbers = itertools.count()

    def start(self, *command, **options):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def answers():
            self.assertIsNone(process.poll(), "the proxy has ended")
            try:
                self.port.connect().close()
                return True
            except ConnectionRefusedError:
                return False
        wait_until(answers, "the proxy to listen")

    def cookie_is_secure(self, server, **headers):
        name = f"ann{next(self.numbers)}"
        body = json.dumps({"name": name, "password": "correct horse"}).encode()
        answer = http(server, "POST", "/api/register", body=body, Content_Type="application/json",
                      Content_Length=str(len(body)), **headers)
        self.assertEqual(answer.status, 200, answer.body)
        return "; Secure" in answer.headers["set-cookie"]

    def check(self, connect, secure):
        class There:
            address, host, port = "chat.example.org", None, None
            connect = staticmethod(lambda: connect(None))
        self.assertEqual(http(There, "GET", "/").status, 200)
        self.assertEqual(http(There, "GET", "/readyz").body, b"ready\n")
        self.assertEqual(http(There, "GET", "/metrics").status, 404)
        self.assertEqual(self.cookie_is_secure(There), secure)

        class Outside:
            address = self.chat.address
            connect = staticmethod(lambda: socket.create_connection(
                (self.chat.host, self.chat.port), DEADLINE, ("127.0.0.2", 0)))
        # What a client says of itself is not believed, here and below.
        self.assertFalse(self.cookie_is_secure(Outside, X_Forwarded_Proto="https"))
        self.assertEqual(http(self.chat, "GET", "/metrics").status, 200)
        with LineClient(self.chat) as nc:
            page = WebSocket(There, connect(("127.0.0.2", 0)), Origin="https://chat.example.org",
                             X_Forwarded_For="192.0.2.7")
            self.addCleanup(page.sock.close)
            self.assertEqual(page.status, 101)
            page.next_of("room")
            page.send(type="say", text="from behind")
            self.assertEqual(nc.read_line(), b"[('127.0.0.2', 0)] from behind\n")

    @unittest.skipUnless(NGINX, "nginx is not installed")
    def test_nginx(self):
        settings = (DEPLOY / "nginx.conf").read_text("utf-8")
        for there, here in (("listen 443 ssl", f"listen 127.0.0.1:{self.port.port} ssl"),
                            ("/etc/letsencrypt/live/chat.example.org/fullchain.pem", self.cert),
                            ("/etc/letsencrypt/live/chat.example.org/privkey.pem", self.key),
                            ("127.0.0.1:3999", self.chat.address)):
            self.assertIn(there, settings)
            settings = settings.replace(there, here)
        path = self.file(CONFIGURATION.format(folder=self.folder, servers=settings), "nginx.conf")
        self.start(NGINX, "-p", str(self.folder), "-c", path)
        context = ssl.create_default_context(cafile=self.cert)
        self.check(lambda source: context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.port.port), DEADLINE, source),
            server_hostname="chat.example.org"), secure=True)

    @unittest.skipUnless(CADDY, "caddy is not installed")
    def test_caddy(self):
        """Without TLS, for which Caddy would ask an authority."""
        settings = (DEPLOY / "Caddyfile").read_text("utf-8")
        for there, here in (("chat.example.org {", f"http://chat.example.org:{self.port.port} {{\n"
                                                   "\tbind 127.0.0.1"),
                            ("127.0.0.1:3999", self.chat.address)):
            self.assertIn(there, settings)
            settings = settings.replace(there, here)
        path = self.file("{\n\tadmin off\n}\n" + settings, "Caddyfile")
        self.start(CADDY, "run", "--adapter", "caddyfile", "--config", path,
                   env={**os.environ, "HOME": str(self.folder),
                        "XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)})
        self.check(lambda source: socket.create_connection(("127.0.0.1", self.port.port), DEADLINE,
                                                           source), secure=False)


class Renewing(InAFolder):
    def test_the_hook_hands_the_files_on(self):
        """With stand-ins for install(1) and systemctl(1)."""
        tools = self.folder / "bin"
        tools.mkdir()
        for tool in ("install", "systemctl"):
            (tools / tool).write_text(f'#!/bin/sh\necho {tool} "$@"\n', "ascii")
            (tools / tool).chmod(0o755)
        done = subprocess.run([str(DEPLOY / "renewed")], capture_output=True, text=True, check=True,
                              env={"PATH": f"{tools}:{os.environ['PATH']}",
                                   "RENEWED_LINEAGE": "/live/chat"}, timeout=DEADLINE)
        owner = "-o polyio-chat -g polyio-chat -m 600"
        self.assertEqual(done.stdout.splitlines(), [
            f"install {owner} /live/chat/fullchain.pem /etc/polyio-chat/fullchain.pem",
            f"install {owner} /live/chat/privkey.pem /etc/polyio-chat/privkey.pem",
            "systemctl reload polyio-chat"])


if __name__ == "__main__":
    main()
