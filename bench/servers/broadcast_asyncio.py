"""asyncio broadcast; `broadcast_asyncio.py PORT uvloop` runs it on uvloop."""
import asyncio
import sys

from common import listen_here

loop_name = sys.argv[2] if len(sys.argv) > 2 else "asyncio"
if loop_name == "uvloop":
    import uvloop

    uvloop.install()

room = set()


class Client(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.partial = b""
        room.add(transport)

    def connection_lost(self, _):
        room.discard(self.transport)

    def data_received(self, data):
        lines, newline, self.partial = (self.partial + data).rpartition(b"\n")
        if len(self.partial) > 65536:
            self.transport.abort()
        if newline:
            lines += newline
            for transport in room:
                transport.write(lines)


async def main():
    loop = asyncio.get_running_loop()
    listener = listen_here(f"{loop_name}, broadcast")
    server = await loop.create_server(Client, sock=listener, backlog=4096)
    await server.serve_forever()


asyncio.run(main())
