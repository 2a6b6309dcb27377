"""Attempts on the network, on the kernel's surface and on privileges."""

import contextlib
import time

from tests.sandbox.escapes.attempt import Attempt, Seen
from tests.sandbox.escapes.target import Target

_REDUCED = frozenset(("landlock",))


def _heard(target: Target, detail: str) -> bool:
    time.sleep(0.05)
    return target.heard("hello")


_RESOLVE = r"""
    name = b"".join(bytes([len(p)]) + p for p in ("hello " + t["name"]).encode().split())
    query = struct.pack(">HHHHHH", 7, 256, 1, 0, 0, 0) + name + b"\0\0\1\0\1"
    it = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    it.settimeout(1)
    it.sendto(query, (t["address"], t["udp"]))
    return it.recv(4096).decode(errors="replace")
"""
_METADATA = """
    return talk(socket.AF_INET, ("169.254.169.254", 80))
"""

NETWORK = (
    Attempt("tcp to the loopback", "network",
            "return talk(socket.AF_INET, ('127.0.0.1', t['tcp']))", _heard),
    Attempt("tcp to the loopback of IPv6", "network",
            "return talk(socket.AF_INET6, ('::1', t['tcp6']))", _heard),
    Attempt("tcp to the machine's address", "network",
            "return talk(socket.AF_INET, (t['address'], t['tcp']))", _heard),
    Attempt("udp", "network",
            "return talk(socket.AF_INET, ('127.0.0.1', t['udp']), socket.SOCK_DGRAM)", _heard),
    Attempt("a name server", "network", _RESOLVE, _heard),
    Attempt("a socket by its path", "network", "return talk(socket.AF_UNIX, t['docker'])", _heard),
    Attempt("an abstract socket", "network", "return talk(socket.AF_UNIX, t['abstract'])", _heard),
    Attempt("a datagram without a connection", "network", """
        it = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return it.sendto(tell(), (t["address"], t["udp"]))
        """, _heard),
    Attempt("http with a library", "network", """
        import urllib.request
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        url = f"http://{t['address']}:{t['tcp']}/hello"
        return opener.open(url, timeout=1).read().decode()
        """, _heard),
    Attempt("bash's own sockets", "network", """
        return shell(f"exec bash -c 'echo hello > /dev/tcp/127.0.0.1/{t['tcp']}'")
        """, _heard),
    Attempt("the metadata address", "network", _METADATA, control="alone"),
    Attempt("a socket of the engine", "network", """
        places = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
                  "/run/podman/podman.sock", "/run/dbus/system_bus_socket",
                  "/run/systemd/private", t["docker"])
        return each(places, lambda path: talk(socket.AF_UNIX, path))
        """, _heard),
    Attempt("interfaces", "network", """
        names = [name for _, name in socket.if_nameindex() if name not in ("lo", "sit0", "tunl0")]
        return names
        """),
)  # fmt: skip

_CPU = "x86_64"
KERNEL = (
    Attempt("vsock", "kernel surface", "return socket.socket(40, socket.SOCK_STREAM).fileno()"),
    Attempt("netlink", "kernel surface", "return socket.socket(16, socket.SOCK_DGRAM).fileno()"),
    Attempt("packets", "kernel surface", "return socket.socket(17, socket.SOCK_DGRAM).fileno()",
            control="root"),
    Attempt("raw", "kernel surface",
            "return socket.socket(2, socket.SOCK_RAW, socket.IPPROTO_ICMP).fileno()",
            control="root"),
    Attempt("raw over a flag", "kernel surface",
            "return socket.socket(2, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 255).fileno()",
            control="root"),
    Attempt("the kernel's ciphers", "kernel surface",
            "return socket.socket(38, socket.SOCK_SEQPACKET).fileno()", control="none"),
    Attempt("io_uring", "kernel surface",
            "return call(425, 1, ctypes.create_string_buffer(120))", machine=_CPU),
    Attempt("a key", "kernel surface",
            "return call(248, b'user', t['name'].encode(), b'x', 1, -3)", machine=_CPU),
    Attempt("the session's keys", "kernel surface", "return call(250, 0, -3, 1)", machine=_CPU),
    Attempt("bpf", "kernel surface",
            "return call(321, 0, struct.pack('IIII112x', 2, 4, 4, 1), 128)", control="perhaps",
            machine=_CPU),
    Attempt("performance counters", "kernel surface",
            "return call(298, struct.pack('IIQ104x', 1, 120, 0), 0, -1, -1, 0)", control="perhaps",
            machine=_CPU),
    Attempt("faults in user space", "kernel surface", "return call(323, 1)", machine=_CPU),
    Attempt("32-bit calls", "kernel surface", """
        # mov eax, 20 (getpid of i386); int 0x80; ret
        code = b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3"
        page = libc.mmap(None, 4096, 7, 0x22, -1, 0)
        ctypes.memmove(page, code, len(code))
        work = ctypes.CFUNCTYPE(ctypes.c_int)(page)
        return forked(lambda: os._exit(0 if work() == os.getpid() else 1)) == 0
        """, machine=_CPU),
    Attempt("calls of x32", "kernel surface",
            "return forked(lambda: os._exit(call(0x40000000 | 39) != os.getpid())) == 0",
            control="none", machine=_CPU),
    Attempt("the core pattern", "kernel surface", """
        path = "/proc/sys/kernel/core_pattern"
        return write(path, "r+b") if "pattern" in t.get("dare", "") else open(path, "r+b").name
        """, control="root"),
    Attempt("the magic request key", "kernel surface",
            "return open('/proc/sysrq-trigger', 'wb').name", control="perhaps"),
    Attempt("the kernel's log", "kernel surface",
            "return call(103, 10, 0, 0) and each(['/dev/kmsg'], lambda p: open(p, 'wb').name)",
            control="perhaps", machine=_CPU),
    Attempt("a module", "kernel surface", "return reached(175, b'', 0, b'')", control="perhaps",
            machine=_CPU),
    Attempt("another kernel", "kernel surface", "return reached(246, 0, 0, 0, 0xffffffff)",
            control="perhaps", machine=_CPU),
    Attempt("the clock", "kernel surface", "return reached(227, 99, 0)", machine=_CPU,
            control="none"),
    Attempt("settings of devices", "kernel surface", """
        paths = ("/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state")
        return each(paths, lambda path: open(path, "r+b").name)
        """, control="perhaps"),
)  # fmt: skip

_NEW = 0x10000000
_CLONE3 = f"""
    return forked(lambda: os._exit(0) if call(435, struct.pack("QQQQQQQQ", {_NEW}, 0, 0, 0, 17,
        0, 0, 0), 64) >= 0 else None) == 0
"""


def _leftover(name: str) -> Seen:
    """A file in the workspace that is more than a file."""

    def look(target: Target, detail: str) -> bool:
        path = target.root / name
        with contextlib.suppress(OSError):
            state = path.lstat()
            return bool(state.st_mode & 0o6000) or path.is_char_device()
        return False

    return look


PRIVILEGES = (
    Attempt("a user namespace", "privileges", f"return call(272, {_NEW}) == 0", machine=_CPU),
    Attempt("cloning into one", "privileges",
            f"return forked(lambda: call(56, {_NEW} | 17, 0, 0, 0, 0)) == 0", machine=_CPU),
    Attempt("cloning into one, the new way", "privileges", _CLONE3, machine=_CPU),
    Attempt("a mount namespace", "privileges", "return call(272, 0x20000) == 0", control="root",
            machine=_CPU),
    Attempt("another's namespaces", "privileges", """
        return each(glob.glob("/proc/[0-9]*/ns/uts"), lambda p: call(308, os.open(p, 0), 0) == 0)
        """, control="root", machine=_CPU),
    Attempt("a mount", "privileges", """
        os.makedirs("place", exist_ok=True)
        return call(165, b"none", b"place", b"tmpfs", 0, 0) == 0 and call(166, b"place", 0) == 0
        """, control="root", machine=_CPU),
    Attempt("a mount, the new way", "privileges", "return call(430, b'tmpfs', 0)",
            control="root", machine=_CPU),
    Attempt("unmounting", "privileges", "return reached(166, b'/proc/no-such-place', 0)",
            control="root", machine=_CPU),
    Attempt("another root", "privileges", "os.chroot('.'); return 'changed'", control="root"),
    Attempt("becoming root", "privileges",
            "os.setresuid(0, 0, 0); return os.geteuid() == 0",
            control="root", residual=_REDUCED),
    Attempt("capabilities", "privileges", """
        lines = read("/proc/self/status").splitlines()
        held = [line for line in lines if line.startswith(("CapPrm", "CapEff", "CapAmb"))]
        return [line for line in held if int(line.split()[1], 16)]
        """, control="root"),
    Attempt("gaining by exec", "privileges", "return libc.prctl(39, 0, 0, 0, 0) == 0"),
    Attempt("a set-uid program", "privileges",
            "return shell('./id -u').strip() == '0' and libc.prctl(39, 0, 0, 0, 0) == 0",
            control="root"),
    Attempt("leaving a set-uid file", "privileges", """
        write("left"); os.chmod("left", 0o4755); return os.stat("left").st_mode & 0o4000
        """, _leftover("left")),
    Attempt("making a set-uid file at once", "privileges", """
        file = os.open("made", os.O_CREAT | os.O_WRONLY, 0o4755)
        os.fchmod(file, 0o2755); return os.fstat(file).st_mode & 0o6000
        """, _leftover("made")),
    Attempt("a device file", "privileges",
            "os.mknod('device', 0o20666, os.makedev(1, 5)); return open('device', 'rb').read(1)",
            _leftover("device"), control="root"),
    Attempt("a control group", "privileges", """
        tops = glob.glob("/sys/fs/cgroup/*") + ["/sys/fs/cgroup"]
        def make(top):
            path = top + "/escape-attempt"
            os.mkdir(path); os.rmdir(path)
            return path
        return each(tops, make)
        """, control="perhaps"),
)  # fmt: skip
