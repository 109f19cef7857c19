"""What this machine's kernel lets a crowd grow to: memory, descriptors, ports, queues."""
import os
import re
import resource

SPARE = 100  # descriptors a process keeps for other things than clients
PER_ADDRESS = 8000  # connections the load generator makes from one source address
GIB = 2**30


def meminfo():
    """Bytes by name."""
    with open("/proc/meminfo") as file:
        return {name: int(kb) * 1024 for name, kb in re.findall(r"(\w+):\s+(\d+) kB", file.read())}


def numbers(path):
    """The numbers in a file below /proc/sys; nothing where it is missing."""
    try:
        with open("/proc/sys/" + path) as file:
            return [int(each) for each in file.read().split()]
    except (OSError, ValueError):
        return []


def descriptors():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def full_queues():
    """How often a new connection met a full accept queue since the machine started."""
    with open("/proc/net/netstat") as file:
        lines = [line.split() for line in file if line.startswith("TcpExt:")]
    return int(dict(zip(*lines)).get("ListenOverflows", 0)) if len(lines) == 2 else 0


class Memory:
    """Memory since this moment. The kernel counts the inodes of sockets among what it can reclaim,
    and so into MemAvailable; it can't while they are open, so their growth is taken off."""

    def __init__(self):
        self.start = meminfo()

    def available(self):
        now = meminfo()
        grown = max(0, now["SReclaimable"] - self.start["SReclaimable"])
        return now["MemAvailable"] - grown

    def kernel(self):
        """What slab, kernel stacks and page tables have grown by."""
        now = meminfo()
        return sum(now[name] - self.start[name] for name in ("Slab", "KernelStack", "PageTables"))


def reserve():
    """What is left alone: a twentieth of the machine, 1 GiB at least."""
    return max(GIB, meminfo()["MemTotal"] // 20)


def fitting(available, per_client, clients, per_process):
    """How many chat processes with `clients` each fit."""
    return max(0, int((available - reserve()) // (per_client * clients + per_process)))


def too_small(processes, clients, model):
    """The kernel's limits that are too small for that many: (name, is, needed, what for)."""
    found, total = [], processes * clients

    def check(name, limit, needed, why, setting=None):
        if limit is not None and limit < needed:
            found.append({"limit": name, "is": limit, "needed": needed, "why": why,
                          "setting": setting or f"sysctl -w {name}={needed}"})

    def first(path):
        return (numbers(path) or [None])[0]

    files = numbers("fs/file-nr")
    if files and os.geteuid() != 0:  # root is not held by it
        check("fs.file-max", files[2], files[0] + 2 * total + 1000,
              "both ends of every connection are open files")
    ports = numbers("net/ipv4/ip_local_port_range")
    if len(ports) == 2:
        check("net.ipv4.ip_local_port_range", ports[1] - ports[0] + 1, 2 * PER_ADDRESS,
              f"{PER_ADDRESS:,} connections come from one address, and the kernel looks at every "
              "other port first", "sysctl -w net.ipv4.ip_local_port_range='32768 60999'")
    check("net.core.somaxconn", first("net/core/somaxconn"), 4096,
          "a client that meets a full accept queue waits one second")
    pages = numbers("net/ipv4/tcp_mem")
    if len(pages) == 3:
        check("net.ipv4.tcp_mem", pages[2], total,
              "pages of 4 KiB: one for each client that has not read its line yet; beyond it the "
              "kernel holds lines back, and they take longer",
              f"sysctl -w net.ipv4.tcp_mem='{total} {total * 5 // 4} {total * 3 // 2}'")
    check("fs.epoll.max_user_watches", first("fs/epoll/max_user_watches"), 2 * total,
          "both ends are watched with epoll")
    if (first("net/netfilter/nf_conntrack_count") or 0) > 0:
        check("net.netfilter.nf_conntrack_max", first("net/netfilter/nf_conntrack_max"),
              total + 10_000, "the firewall keeps an entry per connection")
    if model == "blocking":
        check("kernel.threads-max", first("kernel/threads-max"), total + 1000,
              "a thread per client")
        check("kernel.pid_max", first("kernel/pid_max"), total + 1000, "a thread per client")
        check("vm.max_map_count", first("vm/max_map_count"), 2 * clients + 1000,
              "a stack and its guard page per client of a process")
    return found
