"""Which system calls are refused, as data: filters and engines' profiles are made from it.

`COMMON` closes what namespaces leave open: address families other than UNIX and IP (AF_VSOCK
reaches the host of a virtual machine), raw sockets, io_uring, the kernel's keyring, new namespaces
and mounts, other processes' memory, pushing input into a terminal, and files that change the user
of whoever runs them. `SHARED` is for where there are no namespaces and the rest of the machine is
in sight.

Sources: the kernel's `asm/unistd.h`, `linux/sched.h` and `fcntl.h`; Docker's list of calls that
its default profile blocks.
"""

import errno
from dataclasses import dataclass

_ALL = 0xFFFFFFFF


@dataclass(frozen=True)
class Condition:
    """On an argument's low half, which is what the kernel reads of an int."""

    index: int
    value: int
    """What `argument & mask` is equal to, or above."""
    mask: int = _ALL
    above: bool = False


@dataclass(frozen=True)
class Rule:
    """These calls fail where all conditions hold."""

    calls: tuple[str, ...]
    where: tuple[Condition, ...] = ()
    error: int = errno.EPERM


NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "accept": (43, 202), "accept4": (288, 242), "acct": (163, 89), "add_key": (248, 217),
    "bind": (49, 200), "bpf": (321, 280), "chmod": (90, None), "chown": (92, None),
    "clock_adjtime": (305, 266), "clock_settime": (227, 112), "clone": (56, 220),
    "clone3": (435, 435), "connect": (42, 203), "creat": (85, None), "create_module": (174, None),
    "delete_module": (176, 106), "fanotify_init": (300, 262), "fchmod": (91, 52),
    "fchmodat": (268, 53), "fchmodat2": (452, 452), "fchown": (93, 55), "fchownat": (260, 54),
    "finit_module": (313, 273), "fremovexattr": (199, 16), "fsconfig": (431, 431),
    "fsetxattr": (190, 7), "fsmount": (432, 432), "fsopen": (430, 430), "fspick": (433, 433),
    "futimesat": (261, None), "init_module": (175, 105), "inotify_add_watch": (254, 27),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "io_uring_setup": (425, 425),
    "ioctl": (16, 29), "ioperm": (173, None), "iopl": (172, None), "ioprio_set": (251, 30),
    "kcmp": (312, 272), "kexec_file_load": (320, 294), "kexec_load": (246, 104),
    "keyctl": (250, 219), "lchown": (94, None), "listen": (50, 201), "lookup_dcookie": (212, 18),
    "lremovexattr": (198, 15), "lsetxattr": (189, 6), "mbind": (237, 235),
    "migrate_pages": (256, 238), "mknod": (133, None), "mknodat": (259, 33),
    "modify_ldt": (154, None), "mount": (165, 40), "mount_setattr": (442, 442),
    "move_mount": (429, 429), "move_pages": (279, 239), "mq_open": (240, 180),
    "mq_unlink": (241, 181), "msgctl": (71, 187), "msgget": (68, 186),
    "name_to_handle_at": (303, 264), "nfsservctl": (180, 42), "open": (2, None),
    "open_by_handle_at": (304, 265), "open_tree": (428, 428), "open_tree_attr": (467, 467),
    "openat": (257, 56), "openat2": (437, 437), "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438), "pivot_root": (155, 41), "prlimit64": (302, 261),
    "process_madvise": (440, 440), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "reboot": (169, 142), "removexattr": (197, 14), "removexattrat": (466, 466),
    "request_key": (249, 218), "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "semctl": (66, 191),
    "semget": (64, 190), "setns": (308, 268), "setpriority": (141, 140),
    "settimeofday": (164, 170), "setxattr": (188, 5), "setxattrat": (463, 463),
    "shmat": (30, 196), "shmctl": (31, 195), "shmget": (29, 194), "socket": (41, 198),
    "socketpair": (53, 199), "swapoff": (168, 225), "swapon": (167, 224), "sysfs": (139, None),
    "syslog": (103, 116), "umount2": (166, 39), "unshare": (272, 97), "uselib": (134, None),
    "userfaultfd": (323, 282), "ustat": (136, None), "utime": (132, None),
    "utimensat": (280, 88), "utimes": (235, None),
}  # fmt: skip
"""Their numbers on x86-64 and on aarch64; None where the machine does not have the call."""

_CREATES = (0x40, 0x400000)  # O_CREAT, O_TMPFILE: only then is there a mode.
_CHANGES_USER = (0o4000, 0o2000)
_MODES = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2, "creat": 1, "mknod": 1,
          "mknodat": 2}  # fmt: skip
_NEW_NAMESPACE = (0x20000, *(1 << bit for bit in range(25, 31)))
"""The CLONE_NEW* flags that clone takes; CLONE_NEWTIME is for unshare and clone3 only."""

COMMON = (
    Rule(
        (
            "acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "create_module",
            "delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen",
            "fspick", "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup",
            "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl",
            "lookup_dcookie", "mbind", "migrate_pages", "modify_ldt", "mount", "mount_setattr",
            "move_mount", "move_pages", "name_to_handle_at", "nfsservctl", "open_by_handle_at",
            "open_tree", "open_tree_attr", "perf_event_open", "pidfd_getfd", "pivot_root",
            "process_madvise", "process_vm_readv", "process_vm_writev", "quotactl",
            "quotactl_fd", "reboot", "request_key", "setns", "settimeofday", "swapoff", "swapon",
            "sysfs", "syslog", "umount2", "unshare", "uselib", "userfaultfd", "ustat",
        )
    ),
    # glibc then takes clone, whose flags a filter can see; and open, whose mode it can see.
    Rule(("clone3", "openat2"), error=errno.ENOSYS),
    *(Rule(("clone",), (Condition(0, flag, flag),)) for flag in _NEW_NAMESPACE),
    # Only UNIX, INET and INET6, and no raw socket.
    *(
        Rule(("socket",), (Condition(0, family),), errno.EAFNOSUPPORT)
        for family in (0, *range(3, 10))
    ),
    Rule(("socket",), (Condition(0, 10, above=True),), errno.EAFNOSUPPORT),
    Rule(("socket",), (Condition(1, 3, 0xF),)),
    # TIOCSTI, TIOCLINUX
    *(Rule(("ioctl",), (Condition(1, request),)) for request in (0x5412, 0x541C)),
    *(
        Rule((call,), (Condition(index, bit, bit),))
        for call, index in _MODES.items()
        for bit in _CHANGES_USER
    ),
    *(
        Rule((call,), (Condition(index, flag, flag), Condition(index + 1, bit, bit)))
        for call, index in {"open": 1, "openat": 2}.items()
        for flag in _CREATES
        for bit in _CHANGES_USER
    ),
)  # fmt: skip
"""For every sandbox."""

_OF_OTHERS = ("prlimit64", "sched_setaffinity", "sched_setattr", "sched_setparam",
              "sched_setscheduler")  # fmt: skip
SHARED = (
    # Sockets: neither UDP nor the sockets that have a path are Landlock's business. A pair of
    # datagram sockets could be connected to another.
    Rule(("socket",), error=errno.EACCES),
    Rule(("accept", "accept4", "bind", "connect", "listen"), error=errno.EACCES),
    *(Rule(("socketpair",), (Condition(1, kind, 0xF),), errno.EACCES) for kind in (0, 2, 3, 4)),
    Rule(("socketpair",), (Condition(1, 5, 0xF, above=True),), errno.EACCES),
    # The machine's shared memory, semaphores and queues; and what tells of others' files.
    Rule(
        (
            "inotify_add_watch", "mq_open", "mq_unlink", "msgctl", "msgget", "semctl", "semget",
            "shmat", "shmctl", "shmget",
        )
    ),
    # Other processes' limits and turns; `which` of setpriority and ioprio_set may be a whole user.
    *(Rule((call,), (Condition(0, 0, above=True),)) for call in _OF_OTHERS),
    *(
        Rule((call,), (Condition(index, most, above=True),))
        for call, most_which in {"setpriority": 1, "ioprio_set": 2}.items()
        for index, most in ((0, most_which), (1, 0))
    ),
)  # fmt: skip
"""Also refused where the machine's other processes and files are in reach."""

WATCHED = (
    "chmod", "chown", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "fremovexattr",
    "fsetxattr", "futimesat", "lchown", "lremovexattr", "lsetxattr", "removexattr",
    "removexattrat", "setxattr", "setxattrat", "utime", "utimensat", "utimes",
)  # fmt: skip
"""What Landlock does not judge: `lent/attendant.py` does these for commands, or refuses."""
