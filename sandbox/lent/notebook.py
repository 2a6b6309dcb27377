"""Runs cells of Python one after the other and keeps what they define. Runs inside the sandbox.

A line of JSON on the standard input is a cell: its `code`, and a `mark` with which a line of the
output begins once the cell is done, followed by its status. It is for any Python from 3.8 on, and
imports nothing but the standard library.
"""
# It is there to run any code and to show whatever comes of it.
# ruff: noqa: S102, S307, T201, BLE001

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import json
import linecache
import os
import signal
import sys
import traceback
import types
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES = 12
"""Most frames of a traceback that are shown, the last ones."""
PICTURES = 20
"""Most pictures that one cell may leave."""


def main() -> None:
    """Run cells until the input ends."""
    orders, report, process = os.fdopen(os.dup(0), "rb"), os.dup(1), os.getpid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.filterwarnings("ignore", message=".*non-interactive.*")
    # The workspace instead of this file's folder, as for `python -c`.
    home, sys.path[0] = Path.cwd(), ""
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    # Ours stays alive under another name.
    sys.modules["__notebook__"], sys.modules["__main__"] = sys.modules["__main__"], module
    known: dict[str, tuple[int, ...]] = {}
    for number, line in enumerate(orders, 1):
        order = json.loads(line)
        mend(report)
        forget_changed(home, known)
        status = attempted(run, order["code"], f"<cell {number}>", vars(module))
        status = attempted(save_pictures, home) or status
        known = own_modules(home)
        flush()
        if os.getpid() != process:  # A child that the cell forked came to the cell's end.
            os._exit(status)
        os.write(report, f"\n{order['mark']} {status}\n".encode())


def mend(report: int) -> None:
    """Undo what would keep later cells from being heard: `exit()` closes the input."""
    os.dup2(report, 1)
    os.dup2(report, 2)
    if sys.stdin.closed:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115


def run(code: str, name: str, namespace: dict[str, Any]) -> None:
    """Run a cell and show the value of its last line if that is an expression."""
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec", dont_inherit=True), namespace)
    if isinstance(last, ast.Expr):
        expression = ast.Expression(last.value)
        value = eval(compile(expression, name, "eval", dont_inherit=True), namespace)
        if value is not None:
            namespace["_"] = value
            print(repr(value))


def attempted(action: Callable[..., None], *arguments: Any) -> int:  # noqa: ANN401 - whatever it takes
    """Do it, open to Ctrl-C, and return the exit status; what goes wrong is shown."""
    try:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            action(*arguments)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    except BaseException as error:
        show(error)
        return 1
    return 0


def show(error: BaseException) -> None:
    """The traceback from the cell's first frame on; there is none where it could not be read."""
    trace = error.__traceback__
    while trace is not None and not trace.tb_frame.f_code.co_filename.startswith("<cell"):
        trace = trace.tb_next
    shown = traceback.TracebackException(type(error), error, trace, limit=-FRAMES)
    flush()
    try:
        print("".join(shown.format()), end="", file=sys.stderr)
    except Exception:
        print(type(error).__name__)


def flush() -> None:
    """What a cell wrote comes before what is said about it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def save_pictures(home: Path) -> None:
    """Write the figures that matplotlib holds as files into the workspace, and name them."""
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    figures: list[int] = pyplot.get_fignums() if pyplot else []
    for figure in figures[:PICTURES]:
        number = 1
        while os.path.lexists(home / f"figure-{number}.png"):
            number += 1
        pyplot.figure(figure).savefig(home / f"figure-{number}.png")
        pyplot.close(figure)
        print(f"[picture: figure-{number}.png]")


def own_modules(home: Path) -> dict[str, tuple[int, ...]]:
    """The modules of the workspace, each with what tells whether its file has changed."""
    found: dict[str, tuple[int, ...]] = {}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        place = str(home / path) if isinstance(path, str) else ""
        if place.startswith(f"{home}/") and "/site-packages/" not in place:
            with contextlib.suppress(OSError):
                state = Path(place).stat()
                found[name] = (state.st_mtime_ns, state.st_size, state.st_ino)
    return found


def forget_changed(home: Path, known: dict[str, tuple[int, ...]]) -> None:
    """Let the next import read changed files anew, and all others, which may build on them."""
    importlib.invalidate_caches()
    now = own_modules(home)
    changed = sorted(name for name in now if known.get(name, now[name]) != now[name])
    if changed:
        print(f"[changed since the last call, import again: {', '.join(changed)}]")
        for name in now:
            del sys.modules[name]


if __name__ == "__main__":
    main()
