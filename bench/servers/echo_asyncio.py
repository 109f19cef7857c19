"""asyncio protocols; `echo_asyncio.py PORT uvloop` runs them on uvloop."""
import asyncio
import sys

from common import listen_here

loop_name = sys.argv[2] if len(sys.argv) > 2 else "asyncio"
if loop_name == "uvloop":
    import uvloop

    uvloop.install()


class Upper(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data.upper())


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upper, sock=listen_here(f"{loop_name}, echo"), backlog=4096)
    await server.serve_forever()


asyncio.run(main())
