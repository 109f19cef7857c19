"""What is measured: a job is a load and the servers under it."""
from dataclasses import dataclass, field

from . import servers

CPU = "cpu_us_per_operation"


@dataclass(frozen=True)
class Job:
    name: str
    title: str
    load: tuple  # arguments of the load generator
    servers: callable
    value: str = CPU
    unit: str = "server CPU µs per message"
    more_is_better: bool = False
    seconds: float = 1.5
    warmup: float = 0.4
    timed: bool = True  # takes --seconds
    without: tuple = ()  # servers that can't do it in reasonable time
    # What is wanted of polyio's rows, other ones are "": the most of its limit (where more is
    # better the least), or with `absolute` the most.
    targets: dict = field(default_factory=dict, hash=False)
    absolute: bool = False

    @property
    def connections(self):
        place = self.load.index("--connections")
        return int(self.load[place + 1])

    def rows(self):
        return [server for server in self.servers()
                if self.connections <= server.most and server.name not in self.without]


CHAT = {"polyio-io_uring": 1.10, "polyio-epoll": 1.10}
SPIN = {f"polyio-{model}-spin": 2.5 for model in servers.MODELS}
PAGE = {"polyio-io_uring": 0.33, "polyio-epoll": 0.33}  # of node's ws
DELIVERY = "server CPU µs per delivery"


def echo(*arguments):
    return ("echo", *map(str, arguments))


def fanout(*arguments):
    return ("fanout", *map(str, arguments))


def growth(connections, active):
    """One point of bench/growth."""
    return Job(f"growth-{connections}", f"Echo: {connections:,} connections, {active} active, 64 B",
               echo("--connections", connections, "--active", active), servers.growth_servers)


JOBS = [
    Job("round-trips", "Round trips: 1 connection, 1 message outstanding, 64 B",
        echo("--connections", 1), servers.round_trip_servers, "operations_per_second",
        "round trips per second", more_is_better=True, targets=SPIN),
    Job("fanout-10000", "Fan-out: to 10,000 receivers, one message at a time, 64 B",
        fanout("--connections", 10_000), servers.broadcast_servers, unit=DELIVERY, seconds=2.5,
        targets=CHAT),
    Job("fanout-1000x8", "Fan-out: to 1,000 receivers, 8 messages in flight, 64 B",
        fanout("--connections", 1000, "--inflight", 8), servers.broadcast_servers, unit=DELIVERY,
        targets=CHAT),
    Job("fanout-ws", "Fan-out to WebSockets: 1,000 receivers, one message at a time, 64 B",
        fanout("--connections", 1000), servers.page_servers, unit=DELIVERY,
        targets=PAGE),
    Job("fanout-ws-x8", "Fan-out to WebSockets: 1,000 receivers, 8 messages in flight, 64 B",
        fanout("--connections", 1000, "--inflight", 8), servers.page_servers, unit=DELIVERY,
        targets=PAGE),
    Job("idle-chat", "Memory of 10,000 clients of a broadcast server that only listen",
        ("idle", "--untouched", "--connections", "10000"), servers.broadcast_servers,
        "bytes_per_connection", "bytes of user memory per connection", warmup=1.0, timed=False,
        without=("polyio-poll",), targets={"": 1500}, absolute=True),
    Job("connects", "Connections: connect, one message, close; 50 at once",
        ("connect", "--connections", "50"), servers.echo_servers,
        unit="server CPU µs per connection"),
]
