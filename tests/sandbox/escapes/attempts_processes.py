"""Attempts on processes, on terminals and descriptors, and on what the host reads afterwards."""

import os
import threading
import time

from sandbox.snapshot import snapshot
from sandbox.tree import Tree, TreeError
from tests.sandbox.escapes.attempt import After, Attempt, changed, secret
from tests.sandbox.escapes.target import Target

_REDUCED = frozenset(("landlock",))

_CPU = "x86_64"


def _hurt(target: Target, detail: str) -> bool:
    time.sleep(0.02)
    return any("process" in harm for harm in target.harm())


PROCESSES = (
    Attempt("a signal", "processes", "os.kill(t['victim'], 9); return 'sent'", _hurt),
    Attempt("priority", "processes",
            "os.setpriority(os.PRIO_PROCESS, t['victim'], 19); return 'set'", _hurt),
    Attempt("limits", "processes", """
        import resource
        resource.prlimit(t["victim"], resource.RLIMIT_NOFILE, (64, 64)); return "set"
        """, _hurt),
    Attempt("processors", "processes",
            "os.sched_setaffinity(t['victim'], os.sched_getaffinity(t['victim'])); return 'set'"),
    Attempt("seeing others", "processes",
            "return each(others(), lambda p: p == t['victim'] and read(f'/proc/{p}/comm'))",
            residual=_REDUCED),
    Attempt("tracing", "processes",
            "return libc.ptrace(0x4206, t['victim'], 0, 0) == 0 and 'seized'"),
    Attempt("reading another's memory", "processes", """
        buffer = ctypes.create_string_buffer(24)
        class Part(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
        own = Part(ctypes.cast(buffer, ctypes.c_void_p), 24)
        call(310, t["victim"], ctypes.byref(own), 1, ctypes.byref(Part(t["held"], 24)), 1, 0)
        return buffer.raw.decode()
        """, secret, machine=_CPU),
    Attempt("another's memory as a file", "processes", """
        with open(f"/proc/{t['victim']}/mem", "rb", buffering=0) as file:
            file.seek(t["held"])
            return file.read(24).decode()
        """, secret),
    Attempt("another's descriptors", "processes", """
        return os.read(call(438, os.pidfd_open(t["parent"]), 50, 0), 999).decode()
        """, secret, machine=_CPU),
    Attempt("killing all", "processes", "os.kill(-1, 9); return 'sent'", control="alone",
            seen=_hurt),
    Attempt("killing what started it", "processes", """
        before = os.getppid()
        os.kill(before, 9)
        time.sleep(0.1)
        return os.getppid() != before and "alone"
        """, control="child"),
    Attempt("tracing what started it", "processes",
            "return libc.ptrace(0x4206, os.getppid(), 0, 0) == 0 and 'seized'"),
    Attempt("memory of what started it", "processes",
            "return open(f'/proc/{os.getppid()}/mem', 'r+b', buffering=0).name"),
    Attempt("descriptors of what started it", "processes", """
        parent = f"/proc/{os.getppid()}/fd/"
        return each(os.listdir(parent), lambda name: os.readlink(parent + name))
        """),
    Attempt("variables of the first process", "processes",
            "return each(['/proc/1/environ', '/proc/1/mem'], lambda p: open(p, 'rb').read(1))",
            control="none"),
    Attempt("outliving its command", "processes", """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in (0, 1, 2):
                    os.close(number)
                time.sleep(0.3)
                write("outlived")
            os._exit(0)
        os.wait()
        return "left"
        """, lambda target, detail: (time.sleep(0.6) or (target.root / "outlived").exists())),
)  # fmt: skip


def _typed(target: Target, detail: str) -> bool:
    return "typed-by" in target.typed()


TERMINAL = (
    Attempt("typing into the terminal", "terminal and descriptors", """
        terminal = os.open("/dev/tty", os.O_RDWR)
        for letter in b"typed-by-us\\n":
            fcntl.ioctl(terminal, 0x5412, bytes([letter]))
        return "typed"
        """, _typed),
    Attempt("typing with high bits set", "terminal and descriptors", """
        terminal = os.open("/dev/tty", os.O_RDWR)
        for letter in b"typed-by-us\\n":
            call(16, terminal, 0x5412 | 1 << 40, bytes([letter]))
        return "typed"
        """, _typed, machine=_CPU),
    Attempt("writing to the terminal", "terminal and descriptors",
            "return os.write(os.open('/dev/tty', os.O_WRONLY), b'typed-by-us')", _typed),
    Attempt("the terminal by its name", "terminal and descriptors",
            "return os.write(os.open(t['terminal'], os.O_WRONLY | os.O_NOCTTY), b'typed-by-us')",
            _typed),
    Attempt("pasting by the console", "terminal and descriptors", """
        import pty
        slave = pty.openpty()[1]
        fcntl.ioctl(slave, 0x5412, b"x")
        return "pushed"
        """),
    Attempt("descriptors left open", "terminal and descriptors", """
        names = [n for n in os.listdir("/proc/self/fd") if int(n) > 2]
        return each(names, lambda n: os.pread(int(n), 999, 0).decode())
        """, secret),
    Attempt("anything left open", "terminal and descriptors", """
        own = "/proc/%d/fd" % os.getpid()
        names = [n for n in os.listdir("/proc/self/fd") if int(n) > 2]
        return each(names, lambda n: os.readlink("/proc/self/fd/" + n).replace(own, ""))
        """),
    Attempt("shared memory of System V", "terminal and descriptors", """
        number = libc.shmget(t["segment"], 0, 0)
        if number < 0:
            raise OSError(ctypes.get_errno(), "no such segment")
        return ctypes.string_at(libc.shmat(number, None, 0o10000), 24).decode()
        """, secret),
    Attempt("shared memory of POSIX", "terminal and descriptors", "return read(t['shared'])",
            secret),
    Attempt("devices of the kernel", "terminal and descriptors", """
        names = ("mem", "kmem", "port", "kvm", "fuse", "vsock", "loop-control", "loop0", "vda",
                 "sda", "tty0", "tty1", "ttyS0", "userfaultfd", "vhost-net", "net/tun", "rtc0")
        return each([f"/dev/{name}" for name in names], lambda p: os.open(p, os.O_RDWR) and p)
        """, control="perhaps"),
)  # fmt: skip


def _tree(target: Target) -> str:
    """Read all that was planted, as the tools do."""
    found = b""
    for name in ("planted", "planted/secret", "planted/planted", "file"):
        try:
            found += Tree(target.root).read(name)
        except (TreeError, OSError) as error:
            found += str(error).encode()
    return found.decode(errors="replace")


def _plain(target: Target) -> str:
    """The same without care."""
    found = ""
    for name in ("planted", "planted/secret"):
        try:
            found += (target.root / name).read_text()
        except (OSError, UnicodeDecodeError) as error:
            found += str(error)
    return found


def _tree_write(target: Target) -> str:
    for name in ("planted", "planted/file"):
        try:
            Tree(target.root).write(name, b"written by the host")
        except (TreeError, OSError) as error:
            return str(error)
    return "written"


def _plain_write(target: Target) -> str:
    path = target.root / "planted"
    (path / "file" if path.is_dir() else path).write_text("written by the host")
    return "written"


def _patiently(read: After) -> After:
    """Reading must end: 2 s of waiting are a way to stop the host."""

    def run(target: Target) -> str:
        ended: list[str] = []
        thread = threading.Thread(target=lambda: ended.append(read(target)), daemon=True)
        thread.start()
        thread.join(2)
        if not ended:  # Let it go: somebody opens the other end.
            os.close(os.open(target.root / "planted", os.O_WRONLY | os.O_NONBLOCK))
            thread.join(2)
            return f"the host hangs {target.token}"
        return ended[0]

    return run


def _snapshot(target: Target) -> str:
    return repr(snapshot(target.root))


def _followed(target: Target) -> str:
    texts = [path for path in target.root.rglob("planted*") if path.is_file()]
    return repr([path.read_text(errors="replace") for path in texts])


def _race(read: After) -> After:
    """Read again and again while a probe of before swaps what is there."""

    def run(target: Target) -> str:
        stop, begun = threading.Event(), threading.Event()
        one, two = target.root / "planted", target.root / "other"

        def swap() -> None:
            while not stop.is_set():
                two.unlink(missing_ok=True)
                two.symlink_to(target.outside / "secret")
                two.replace(one)
                begun.set()
                two.write_text("harmless")
                two.replace(one)

        thread = threading.Thread(target=swap, daemon=True)
        thread.start()
        begun.wait(2)
        found = "".join(read(target) for _ in range(300))
        stop.set()
        thread.join()
        return found

    return run


_SECRET = "t['outside'] + '/secret'"
HOST = (
    Attempt("a link to read", "host file API",
            f"os.symlink({_SECRET}, 'planted'); return 'planted'", secret, _tree, _plain,
            fresh=True),
    Attempt("a linked folder to read", "host file API",
            "os.symlink(t['outside'], 'planted'); return 'planted'", secret, _tree, _plain,
            fresh=True),
    Attempt("a link upwards", "host file API",
            "os.symlink('../outside/secret', 'planted'); return 'planted'", secret, _tree, _plain,
            fresh=True),
    Attempt("a magic link", "host file API",
            "os.symlink('/proc/self/root' + t['outside'] + '/secret', 'planted')\n"
            "return 'planted'", secret, _tree, _plain, fresh=True),
    Attempt("a link to write", "host file API",
            "os.symlink(t['outside'] + '/file', 'planted'); return 'planted'", changed,
            _tree_write, _plain_write, fresh=True),
    Attempt("a linked folder to write", "host file API",
            "os.symlink(t['outside'], 'planted'); return 'planted'", changed, _tree_write,
            _plain_write, fresh=True),
    Attempt("a pipe to wait for", "host file API", "os.mkfifo('planted'); return 'planted'",
            secret, _patiently(_tree), _patiently(_plain), fresh=True),
    Attempt("a link for the diff", "host file API",
            f"os.symlink({_SECRET}, 'planted'); return 'planted'", secret, _snapshot, _followed,
            fresh=True),
    Attempt("a swap while it is read", "host file API", "return write('other')", secret,
            _race(_tree), _race(_plain), fresh=True),
)  # fmt: skip
