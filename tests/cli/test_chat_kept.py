"""What the chat keeps: kills at any moment under load, restarts, rooms and accounts."""
import json
import os
import random
import resource
import socket
import sqlite3
import tempfile
import threading

from harness import LineClient, Server, TestCase, main, options_of, run
from websocket import WebSocket, http

POSITION = options_of("epoll", "loops")
# Of the server, each under load; `.ci/run deep` asks for more.
KILLS = int(os.environ.get("POLYIO_CHAT_KILLS", "6"))


def kept_in(folder, **popen):
    """A server that keeps its messages there."""
    return Server("chat", *POSITION, "--data", folder,
                  env={**os.environ, "POLYIO_MEMORY": "false"}, **popen)


class Kept(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def page(self, server, **headers):
        page = WebSocket(server, **headers)
        self.addCleanup(page.sock.close)
        self.assertEqual(page.status, 101)
        return page

    def log_of(self, page, room=1):
        """All entries of a room, by number."""
        entries = {}
        while True:
            page.send(type="history", room=room, after=len(entries), count=200)
            more = page.next_of("history")["entries"]
            if not more:
                return entries
            for entry in more:
                self.assertEqual(entry["seq"], len(entries) + 1)
                entries[entry["seq"]] = entry


class Talker(threading.Thread):
    """Says messages with keys of its own until its server is gone, a few at a time."""

    def __init__(self, server, name, unsent):
        super().__init__()
        self.page = WebSocket(server)
        self.name_in_keys = name
        self.queue = unsent  # said before, and not known to be kept: (key, text)
        self.kept = {}
        self.count = 0

    def run(self):
        waiting = {}
        try:
            for key, text in self.queue:
                waiting[key] = text
                self.page.send(type="say", room=1, key=key, text=text)
            while True:
                while len(waiting) < 16:
                    key = f"{self.name_in_keys}-{self.count:012}"
                    self.count += 1
                    waiting[key] = f"text of {key}"
                    self.page.send(type="say", room=1, key=key, text=waiting[key])
                stored = self.page.next_of("stored")
                self.kept[stored["key"]] = (stored["seq"], waiting.pop(stored["key"]))
        except (EOFError, OSError):
            pass
        self.page.sock.close()
        self.queue = list(waiting.items())


class Kills(Kept):
    def test_nothing_acknowledged_is_lost_or_doubled(self):
        chance = random.Random(os.environ.get("POLYIO_SEED", 1))
        kept, unsent = {}, {0: [], 1: []}
        for turn in range(KILLS):
            server = kept_in(self.folder)
            try:
                talkers = [Talker(server, f"k{turn}.{each}", unsent[each]) for each in unsent]
                for talker in talkers:
                    talker.start()
                # Until one of them has come so far, and then at any moment.
                reader = WebSocket(server)
                for _ in range(chance.randrange(200)):
                    reader.next_of("entries")
                reader.sock.close()
            finally:
                server.kill()
            for each, talker in enumerate(talkers):
                talker.join()
                kept.update(talker.kept)
                unsent[each] = talker.queue
        with kept_in(self.folder) as server:
            page = self.page(server)
            left = dict(pair for queue in unsent.values() for pair in queue)
            for key, text in left.items():  # the last time; now all of them are kept, once
                page.send(type="say", room=1, key=key, text=text)
                stored = page.next_of("stored")
                kept[stored["key"]] = (stored["seq"], text)
            log = self.log_of(page)
            for key, (number, text) in kept.items():
                self.assertEqual(log[number]["text"], text, key)
            texts = [entry["text"] for entry in log.values()]
            self.assertEqual(len(texts), len(set(texts)), "a message twice")
            self.assertGreater(len(kept), 10 * KILLS)
            if KILLS > 100:
                print(f"{KILLS} kills, {len(kept)} messages acknowledged, all kept once, in order; "
                      f"{len(texts) - len(kept)} more were kept without an answer")


class Restart(Kept):
    def test_messages_rooms_and_accounts_are_there_again(self):
        with kept_in(self.folder) as server, LineClient(server) as a, LineClient(server) as b:
            a.send(b"/nick alice\n")
            a.read_line()
            a.send(b"to all\n")
            self.assertEqual((a.read_line(), b.read_line()), (b"[alice] to all\n",) * 2)
            a.send(b"/register correct horse\n")
            self.assertIn(b"is your account", a.read_line())
            a.send(b"/join #dev\n/topic plans\nin dev\n/private on\n")
            for line in (b"-- you are in #dev now\n", b"-- #dev alice sets the topic: plans\n",
                         b"#dev [alice] in dev\n", b"-- #dev is private now\n"):
                self.assertEqual(a.read_line(), line)
            b.send(b"/join #dev\n")
            self.assertIn(b"is private", b.read_line())
        with kept_in(self.folder) as server, LineClient(server) as a, LineClient(server) as b:
            b.send(b"/nick Alice\n")
            self.assertIn(b"is taken", b.read_line())
            b.send(b"/join #dev\n")
            self.assertIn(b"is private", b.read_line())
            b.send(b"/login alice wrong horse\n")
            self.assertEqual(b.read_line(), b"-- error: the name or the password is wrong\n")
            a.send(b"/login alice correct horse\n")
            self.assertEqual(a.read_line(), b"-- you are alice now\n")
            a.send(b"/join #dev\n/history\n/topic\n/search dev\n")
            for line in (b"-- you are in #dev now\n", b"-- #dev alice sets the topic: plans\n",
                         b"#dev [alice] in dev\n", b"-- plans\n", b"-- 2: [alice] in dev\n",
                         b"-- 1 found\n"):
                self.assertEqual(a.read_line(), line)

    def test_two_servers_on_one_folder(self):
        with kept_in(self.folder):
            done = run("chat", "--listen", "127.0.0.1:0", "--data", self.folder,
                       env={**os.environ, "POLYIO_MEMORY": "false"})
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"a chat that runs uses", done.stderr)

    def test_a_folder_that_is_none(self):
        path = os.path.join(self.folder, "file")
        with open(path, "w", encoding="ascii"):
            pass
        done = run("chat", "--data", path, env={**os.environ, "POLYIO_MEMORY": "false"})
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"--memory", done.stderr)


class Trouble(Kept):
    """Messages that can't be kept are refused with the reason, and the chat goes on."""

    def refused(self, server, client, text):
        client.send(text + b"\n")
        line = client.read_line()
        if not line.startswith(b"-- error: "):
            return False
        self.assertTrue(line.endswith(b": nobody got this line\n"), line)
        health = http(server, "GET", "/healthz")
        self.assertEqual(health.status, 503)
        self.assertTrue(health.body.startswith(b"messages can't be kept: "), health.body)
        client.send(b"/who\n")
        self.assertEqual(client.read_line(), b"-- 1 here:\n")
        client.read_line()
        return True

    def goes_on(self, server, client):
        client.send(b"again\n")
        self.assertEqual(client.read_line(), client.said(b"again"))
        self.assertEqual(http(server, "GET", "/healthz").status, 200)

    def test_a_database_that_another_program_has_locked(self):
        with kept_in(self.folder) as server, LineClient(server) as a:
            other = sqlite3.connect(os.path.join(self.folder, "chat.db"), isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            self.assertTrue(self.refused(server, a, b"hello"))
            other.execute("ROLLBACK")
            other.close()
            self.goes_on(server, a)
            self.assertRegex(server.log(), r"error: messages can't be kept: (.*\n)*"
                                           r".*messages are kept again")

    def test_a_full_disk(self):
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        with kept_in(self.folder, preexec_fn=limit) as server, LineClient(server) as a:
            texts = (b"%d " % i + b"x" * 8000 for i in range(200))
            self.assertTrue(any(self.refused(server, a, text) for text in texts))
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (hard, hard))
            self.goes_on(server, a)

    def test_what_is_no_database(self):
        path = os.path.join(self.folder, "chat.db")
        with open(path, "wb") as file:
            file.write(os.urandom(8192))
        done = run("chat", "--listen", "127.0.0.1:0", "--data", self.folder,
                   env={**os.environ, "POLYIO_MEMORY": "false"})
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"polyio chat: ", done.stderr)
        with open(path, "rb") as file:
            self.assertEqual(len(file.read()), 8192)


class Rooms(Kept):
    def client(self, name):
        client = LineClient(self.server)
        self.addCleanup(client.close)
        client.send(b"/nick " + name + b"\n")
        self.assertEqual(client.read_line(), b"-- you are " + name + b" now\n")
        return client

    def said(self, client, line, *answers):
        client.send(line + b"\n")
        for answer in answers:
            self.assertEqual(client.read_line(), answer + b"\n")

    def setUp(self):
        super().setUp()
        self.server = Server("chat", *POSITION)
        self.addCleanup(self.server.kill)

    def test_what_is_said_in_a_room_stays_there(self):
        a, b, c = (self.client(name) for name in (b"ann", b"ben", b"cat"))
        self.said(a, b"/join #tea", b"-- you are in #tea now")
        self.said(b, b"/join #TEA", b"-- you are in #tea now")
        self.said(a, b"hot", b"#tea [ann] hot")
        self.assertEqual(b.read_line(), b"#tea [ann] hot\n")
        self.said(c, b"marker", b"[cat] marker")
        for client in (a, b):  # they are in the lobby, too
            self.assertEqual(client.read_line(), b"[cat] marker\n")
        self.said(b, b"/part", b"-- you have left #tea; you speak in #lobby")
        self.said(a, b"/me drinks", b"#tea * ann drinks")
        self.said(b, b"gone", b"[ben] gone")
        self.assertEqual(a.read_line(), b"[ben] gone\n")

    def test_operators(self):
        a, b = self.client(b"ann"), self.client(b"ben")
        self.said(a, b"/join #tea", b"-- you are in #tea now")
        self.said(b, b"/join #tea", b"-- you are in #tea now")
        self.said(b, b"/kick ann", b"-- error: only an operator of the room does that")
        self.said(a, b"/mute ben", b"-- done")
        self.said(b, b"?", b"-- error: an operator has muted you in #tea: nobody got this line")
        self.said(a, b"/unmute ben", b"-- done")
        self.said(a, b"/readonly on", b"-- #tea is read-only now")
        self.said(b, b"?", b"-- error: only operators write in #tea: nobody got this line")
        self.said(a, b"/op ben", b"-- done")
        self.said(b, b"now", b"#tea [ben] now")
        self.assertEqual(a.read_line(), b"#tea [ben] now\n")
        self.said(b, b"/kick ann", b"-- error: only the founder of the room does that")
        self.said(a, b"/ban ben", b"-- done")
        self.assertEqual(b.read_line(), b"-- ann took you out of #tea\n")
        self.said(b, b"/join #tea", b"-- error: you are banned from #tea")
        self.said(a, b"/unban ben", b"-- done")
        self.said(b, b"/join #tea", b"-- you are in #tea now")

    def test_a_conversation(self):
        a, b, c = (self.client(name) for name in (b"ann", b"ben", b"cat"))
        self.said(a, b"/msg ben psst", b"@ ann, ben [ann] psst")
        self.assertEqual(b.read_line(), b"@ ann, ben [ann] psst\n")
        self.said(b, b"/msg ann yes?", b"@ ann, ben [ben] yes?")
        self.assertEqual(a.read_line(), b"@ ann, ben [ben] yes?\n")
        self.said(c, b"marker", b"[cat] marker")
        for client in (a, b):
            self.assertEqual(client.read_line(), b"[cat] marker\n")
        self.said(c, b"/search psst", b"-- 0 found")
        self.said(a, b"/msg zoe x", b"-- error: zoe is not here")
        self.assertNotIn("psst", self.server.log())

    def test_no_guests(self):
        with Server("chat", *POSITION, "--no-guests") as server, LineClient(server, False) as a:
            a.send(b"hello\n/register correct horse\n/who\n")
            for _ in range(3):
                self.assertEqual(a.read_line(),
                                 b"-- error: no guests here: /login NAME PASSWORD\n")
            page = self.page(server)
            hello = page.event()
            self.assertIs(hello["guests"], False)
            page.send(type="say", room=1, text="hello")
            self.assertIn("log in first", page.event()["text"])
            body = json.dumps({"name": "eve", "password": "correct horse"}).encode()
            made = http(server, "POST", "/api/register", body=body,
                        Content_Type="application/json", Content_Length=str(len(body)))
            inside = self.page(server, Cookie=made.headers["set-cookie"].split(";")[0])
            inside.next_of("room")
            a.send(b"/login eve correct horse\nhello\n")
            self.assertEqual(a.read_line(), b"-- you are eve now\n")
            self.assertEqual(a.read_line(), b"[eve] hello\n")
            self.assertEqual(inside.entry()["text"], "hello")
            page.sock.close()
            inside.sock.close()

    def test_behind_a_proxy(self):
        with Server("chat", *POSITION, "--behind-proxy", "127.0.0.0/8") as server:
            with server.connect() as first, server.connect() as second:
                first.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 80\r\nhello\n/who\n")
                answer = b"[('192.0.2.7', 4000)] hello\n-- 1 here:\n"
                self.assertEqual(first.recv(len(answer), socket.MSG_WAITALL), answer)
                second.sendall(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" +
                               bytes([192, 0, 2, 8, 192, 0, 2, 1, 0x0F, 0xA1, 0, 80]) + b"two\n")
                answer = b"[('192.0.2.8', 4001)] two\n"
                self.assertEqual(second.recv(len(answer), socket.MSG_WAITALL), answer)
            post = b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"
            for begun in (1, 2, len(post)):  # an HTTP proxy's, however its bytes come
                with server.connect() as third:
                    third.sendall(post[:begun])
                    server.wait_until_accepted()
                    third.sendall(post[begun:])
                    self.assertTrue(third.recv(100).startswith(b"HTTP/1.1 405 "))
            page = self.page(server, X_Forwarded_For="10.1.1.1, 192.0.2.9, 127.0.0.1")
            self.assertEqual(page.next_of("hello")["name"], "('192.0.2.9', 0)")
            page.sock.close()
        with Server("chat", *POSITION) as server, LineClient(server) as a, \
                server.connect() as other:  # a stranger's word is not taken for it
            other.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 80\r\n")
            self.assertIn(b"] PROXY TCP4 ", a.read_line())

    def test_flood(self):
        """One that is too fast is warned and slowed, and loses nothing."""
        limits = ("--message-rate", "500", "--message-burst", "10")
        with Server("chat", *POSITION, *limits) as server, LineClient(server) as a:
            a.send(b"".join(b"%d\n" % i for i in range(60)))
            heard = [a.read_line() for _ in range(61)]
            warning = b"-- that is too fast: from now on 500 a second are taken\n"
            self.assertEqual(heard.count(warning), 1)
            self.assertEqual([line for line in heard if not line.startswith(b"-- ")],
                             [a.said(b"%d" % i) for i in range(60)])

    def test_a_page_logs_in_and_edits(self):
        def post(path, **fields):
            body = json.dumps(fields).encode()
            return http(self.server, "POST", path, body=body,
                        Content_Type="application/json", Content_Length=str(len(body)))
        made = post("/api/register", name="eve", password="correct horse")
        self.assertEqual(made.status, 200, made.body)
        cookie = made.headers["set-cookie"]
        self.assertIn("HttpOnly; SameSite=Strict", cookie)
        self.assertEqual(post("/api/register", name="EVE", password="correct horse").status, 409)
        self.assertEqual(post("/api/register", name="x", password="short").status, 422)
        self.assertEqual(post("/api/login", name="eve", password="wrong horse").status, 401)
        pages = [self.page(self.server, Cookie=cookie.split(";")[0]) for _ in range(2)]
        for page in pages:
            self.assertTrue(page.next_of("hello")["account"])
        pages[0].send(type="say", room=1, text="helo", key="0123456789abcdef")
        number = pages[0].next_of("stored")["seq"]
        self.assertEqual(pages[1].entry()["text"], "helo")
        pages[1].send(type="edit", room=1, target=number, text="hello")
        edit = pages[1].entry()
        self.assertEqual((edit["target"], edit["text"]), (number, "hello"))
        guest = self.page(self.server)
        guest.send(type="remove", room=1, target=number)
        self.assertIn("another's", guest.next_of("error")["text"])
        self.assertEqual(self.log_of(guest)[number]["text"], "hello")
        metrics = http(self.server, "GET", "/metrics").body
        self.assertIn(b'polyio_chat_clients{protocol="page"} 3\n', metrics)
        self.assertIn(b"\npolyio_chat_entries_total 2\n", metrics)
        found = http(self.server, "GET", "/api/search?q=hello")
        self.assertIn(b'"text":"hello"', found.body)


if __name__ == "__main__":
    main()
