"""What the Python servers share: the command line `SERVER [PORT]` and the listening socket."""
import resource
import socket
import sys


def listen_here(name):
    port = sys.argv[1] if len(sys.argv) > 1 else "0"
    if port.startswith("-"):
        print("SERVER [PORT]: serves 127.0.0.1; without PORT any free one.")
        print("Example: python3 echo_selectors.py 8080")
        sys.exit(0)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by connections
    listener.bind(("127.0.0.1", int(port)))
    listener.listen(4096)
    listener.setblocking(False)
    print(f"listening on 127.0.0.1:{listener.getsockname()[1]} ({name})", flush=True)
    return listener
