"""The chat's page behind nginx with the settings of docs/proxies.md and those people begin with."""
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

from harness import LineClient, Server, TestCase, main, options_of, reserved_port, wait_until
from websocket import WebSocket, http

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {servers}
}}
"""
SERVER = """
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://{chat};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      {host}
    }}
  }}
"""
HOSTS = ("proxy_set_header Host $host;", "proxy_set_header Host $http_host;", "")


class Port:
    """Where a client of WebSocket or http goes."""

    def __init__(self, port):
        self.host, self.port, self.address = "127.0.0.1", port, f"127.0.0.1:{port}"

    def connect(self):
        return socket.create_connection((self.host, self.port), 10)


@unittest.skipUnless(NGINX, "nginx is not installed")
class BehindNginx(TestCase):
    def setUp(self):
        self.chat = Server("chat", *options_of("epoll", "loops"), "--host", "chat.example.org")
        self.addCleanup(self.chat.kill)
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        ports = [reserved_port(self) for _ in HOSTS]
        servers = "".join(SERVER.format(port=port, chat=self.chat.address, host=host)
                          for port, host in zip(ports, HOSTS))
        path = os.path.join(self.folder, "nginx.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(CONFIGURATION.format(folder=self.folder, servers=servers))
        self.nginx = subprocess.Popen([NGINX, "-p", self.folder, "-c", path],
                                      stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.end_nginx)
        self.ports = [Port(port) for port in ports]
        for port in self.ports:
            wait_until(lambda port=port: self.answers(port), "nginx to listen")

    def end_nginx(self):
        self.nginx.kill()
        self.nginx.wait()

    def answers(self, port):
        self.assertIsNone(self.nginx.poll(), "nginx has ended")
        try:
            port.connect().close()
            return True
        except ConnectionRefusedError:
            return False

    def test_page_and_conversation(self):
        nc = LineClient(self.chat)
        self.addCleanup(nc.close)
        for port in self.ports:
            # As behind TLS on a port of its own, which nginx alone knows of.
            for outer in ("", f":{port.port}", ":8443"):
                host = "chat.example.org" + outer
                with self.subTest(host=host):
                    answer = http(port, "GET", "/", Host=host, Connection="close")
                    self.assertEqual(answer.status, 200)
                    page = WebSocket(port, Host=host, Origin=f"https://{host}")
                    self.addCleanup(page.sock.close)
                    self.assertEqual(page.status, 101)
                    page.next_of("room")
                    page.send(type="say", text="from behind")
                    self.assertTrue(nc.read_line().endswith(b"] from behind\n"))
                    nc.send(b"from before\n")
                    nc.read_line()
                    while page.entry()["text"] != "from before":
                        pass
                    page.sock.close()

    def test_strangers(self):
        for port in self.ports:
            for origin in ("https://evil.example", "https://chat.example.org.evil.example", "null"):
                page = WebSocket(port, Host="chat.example.org", Origin=origin)
                self.addCleanup(page.sock.close)
                self.assertEqual(page.status, 403, origin)
        self.chat.wait_log("refused: .*a page of another site: Host chat.example.org, "
                           "Origin https://evil.example\n")


if __name__ == "__main__":
    main()
