"""`polyio chat user`, `room`, `backup`, `export` and `import`, on a chat that runs or does not."""
import contextlib
import json
import os
import pty
import signal
import tempfile
import termios

from harness import POLYIO, LineClient, Server, TestCase, main, options_of, run
from websocket import WebSocket, http

POSITION = options_of("epoll", "loops")
PASSWORD = "correct horse"


class Admin(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def serve(self):
        """A server, until the test ends or closes self.server."""
        self.server = contextlib.ExitStack()
        self.addCleanup(self.server.close)
        return self.server.enter_context(Server("chat", *POSITION, "--data", self.folder,
                                                env={**os.environ, "POLYIO_MEMORY": "false"}))

    def chat(self, *words, data=None, **options):
        """What the command prints."""
        done = run("chat", *words, "--data", data or self.folder, text=True, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def refused(self, *words, **options):
        done = run("chat", *words, "--data", self.folder, text=True, **options)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        return done.stderr

    def add(self, name, *options):
        self.chat("user", "add", name, *options, input=PASSWORD + "\n")

    def logged_in(self, server, name):
        """A line client with that account."""
        client = LineClient(server, False)
        self.addCleanup(client.close)
        client.send(f"/login {name} {PASSWORD}\n".encode())
        self.assertEqual(client.read_line(), f"-- you are {name} now\n".encode())
        return client

    def said(self, client, line, answer):
        client.send(line + b"\n")
        self.assertEqual(client.read_line(), answer + b"\n")

    def look_after(self):
        """The same whether a server runs or not."""
        self.add("ann", "--admin")
        self.add("ben")
        self.assertEqual(self.chat("user", "list"), "ann administrator\nben\n")
        self.chat("user", "set", "ben", "--locked", "on")
        self.chat("user", "set", "ann", "--admin", "off")
        self.assertEqual(self.chat("user", "list"), "ann\nben locked\n")
        self.chat("user", "remove", "ben")
        self.chat("room", "add", "#news", "--read-only", "--topic", "what happens")
        self.chat("room", "set", "#lobby", "--keep-days", "30")
        self.chat("room", "set", "#news", "--private", "on", "--read-only", "off")
        self.assertEqual(self.chat("room", "list"), "#lobby 0 here, kept for 30 days\n"
                                                    "#news 0 here, private: what happens\n")
        for words, why in ((("user", "add", "ANN"), "the name ANN is taken"),
                           (("user", "add", "a\u200bb"), "invisible"),
                           (("user", "add", "cy"), "at least 8 characters"),
                           (("user", "set", "zoe", "--admin", "on"), "no account zoe"),
                           (("user", "remove", "zoe"), "no account zoe"),
                           (("room", "add", "#news"), "#news is there already"),
                           (("room", "add", "news"), "begins with #"),
                           (("room", "add", "#a", "--topic", "x" * 501), "at most 500 bytes"),
                           (("room", "set", "#a", "--private", "on"), "no room #a"),
                           (("room", "set", "#lobby", "--private", "on"), "open to everybody"),
                           (("room", "set", "#news", "--keep-days", "1000001"), "1000000 days"),
                           (("room", "remove", "#a"), "no room #a"),
                           (("room", "remove", "#lobby"), "the lobby stays")):
            password = "short" if words[-1] == "cy" else PASSWORD
            with self.subTest(words=words):
                self.assertIn(why, self.refused(*words, input=password + "\n"))

    def test_a_chat_that_does_not_run(self):
        self.look_after()
        server = self.serve()
        ann = self.logged_in(server, "ann")
        self.said(ann, b"/join #news", b"-- error: #news is private: ask one of its members for an "
                                       b"invitation")
        self.server.close()
        self.assertEqual(self.chat("user", "list"), "ann\n")
        self.chat("room", "remove", "#news")
        self.assertEqual(self.chat("room", "list"), "#lobby 0 here, kept for 30 days\n")

    def test_a_chat_that_runs(self):
        server = self.serve()
        self.look_after()
        self.assertIn("administrator: add_user ann", server.log())
        self.assertNotIn(PASSWORD, server.log())
        self.server.close()
        self.serve()
        self.assertEqual(self.chat("user", "list"), "ann\n")

    def test_people_that_are_there(self):
        server = self.serve()
        self.add("ann")
        ann, again = self.logged_in(server, "ann"), self.logged_in(server, "ann")
        self.assertEqual(self.chat("user", "list"), "ann here\n")
        self.chat("room", "add", "#news", "--read-only")
        self.said(ann, b"/join #news", b"-- you are in #news now")
        self.said(ann, b"hello", b"-- error: only operators write in #news: nobody got this line")
        self.chat("user", "set", "ann", "--admin", "on")
        self.said(ann, b"hello", b"#news [ann] hello")
        self.assertEqual(again.read_line(), b"#news [ann] hello\n")
        self.chat("room", "remove", "#news")
        for client in (ann, again):
            self.assertEqual(client.read_line(), b"-- an administrator has removed #news\n")
        self.said(again, b"/rooms", b"-- #lobby (1)")
        self.chat("user", "set", "ann", "--password", input="another horse\n")
        for client in (ann, again):
            self.assertEqual(client.read_line(), b"")
        with LineClient(server, False) as client:
            client.send(f"/login ann {PASSWORD}\n/login ann another horse\n".encode())
            self.assertEqual(client.read_line(),
                             b"-- error: the name or the password is wrong\n")
            self.assertEqual(client.read_line(), b"-- you are ann now\n")
            self.chat("user", "remove", "ann")
            self.assertEqual(client.read_line(), b"")

    def test_a_new_password_ends_the_logins_of_browsers(self):
        server = self.serve()
        self.add("ann")
        cookies = [self.post(server, "login", name="ann", password=PASSWORD) for _ in range(2)]
        changed = self.post(server, "password", cookies[0], old=PASSWORD, new="another horse")
        for cookie, name in ((cookies[0], None), (cookies[1], None), (changed, "ann")):
            page = WebSocket(server, Cookie=cookie)
            self.addCleanup(page.sock.close)
            self.assertEqual(page.next_of("hello").get("account") and "ann", name)
        self.chat("user", "set", "ann", "--log-out")
        page = WebSocket(server, Cookie=changed)
        self.addCleanup(page.sock.close)
        self.assertNotIn("account", page.next_of("hello"))

    def post(self, server, what, cookie="", **fields):
        """Posts to the API; the cookie that it sets."""
        body = json.dumps(fields).encode()
        answer = http(server, "POST", "/api/" + what, body=body, Cookie=cookie,
                      Content_Type="application/json", Content_Length=str(len(body)))
        self.assertEqual(answer.status, 200, answer.body)
        return answer.headers["set-cookie"].split(";")[0]

    def test_data(self):
        server = self.serve()
        self.add("ann")
        with LineClient(server) as client:
            client.send(b"hello\n")
            self.assertIn(b"hello", client.read_line())
        copy = os.path.join(self.folder, "copy")
        os.mkdir(copy)
        self.assertIn("bytes", self.chat("backup", f"{copy}/chat.db"))
        self.assertEqual(os.stat(f"{copy}/chat.db").st_mode & 0o777, 0o600)
        self.assertIn("is there already", self.refused("backup", f"{copy}/chat.db"))
        text = self.chat("export")
        self.assertEqual(self.chat("export", data=copy), text)
        self.assertIn('"text":"hello"', text)
        self.assertNotIn("argon2", text)
        self.assertIn("argon2", self.chat("export", "--passwords"))
        self.assertIn("there is no room #x", self.refused("export", "--room", "#x"))
        self.assertIn("can't be written", self.refused("export", f"{self.folder}/no/file"))
        self.assertIn("stop it", self.refused("import", input=text))
        self.server.close()
        self.assertEqual(self.chat("import", input=text),
                         "0 accounts, 0 rooms and 0 messages and changes are new\n")
        other = os.path.join(self.folder, "other")
        self.assertEqual(self.chat("import", data=other, input=text),
                         "1 accounts, 0 rooms and 1 messages and changes are new\n")
        self.assertEqual(self.chat("export", data=other), text)
        self.assertIn("line 1", self.refused("import", input="no JSON\n"))

    def test_where_there_is_none(self):
        for words in (("backup", f"{self.folder}/x"), ("export",)):
            self.assertIn("chat.db is not there: say by --data DIR", self.refused(*words))
        self.assertEqual(os.listdir(self.folder), [])

    def asked_on_a_terminal(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(POLYIO, [POLYIO, "chat", "user", "add", "ann", "--data", self.folder])
        shown = b""
        while b"password for ann: " not in shown:
            shown += os.read(terminal, 1000)
        return pid, terminal, shown

    def test_a_terminal_shows_again_what_is_typed_after_an_interrupt(self):
        pid, terminal, _ = self.asked_on_a_terminal()
        self.assertFalse(termios.tcgetattr(terminal)[3] & termios.ECHO)
        os.write(terminal, b"secr\x03")  # Ctrl-C
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 128 + signal.SIGINT)
        self.assertTrue(termios.tcgetattr(terminal)[3] & termios.ECHO)
        os.close(terminal)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_password_is_not_shown_on_a_terminal(self):
        pid, terminal, shown = self.asked_on_a_terminal()
        os.write(terminal, PASSWORD.encode() + b"\n")
        try:
            while more := os.read(terminal, 1000):
                shown += more
        except OSError:  # how a terminal ends
            pass
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        os.close(terminal)
        self.assertEqual(shown.split(), b"password for ann:".split())
        self.assertEqual(self.chat("user", "list"), "ann\n")

    def test_each_command_has_an_example(self):
        for words in (("user",), ("user", "list"), ("user", "add"), ("user", "set"),
                      ("user", "remove"), ("room",), ("room", "list"), ("room", "add"),
                      ("room", "set"), ("room", "remove"), ("backup",), ("export",), ("import",)):
            text = run("chat", *words, "--help", text=True).stdout
            self.assertRegex(text, f"Example:\n  polyio chat {words[0]}")


if __name__ == "__main__":
    main()
