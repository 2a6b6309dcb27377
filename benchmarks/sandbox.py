"""How long a command takes in each sandbox, beside the same command in none; and workspaces.

    python benchmarks/sandbox.py [--runs 200] [--workspaces 1000] [--image python:3.11-slim]

Docker is measured where an engine answers (DOCKER_HOST) and has the image, SWE-ReX where it can be
installed: it gets an environment of its own in a temporary folder. All are asked in turns, so that
whatever else the machine does falls on all alike. Exits with 1 unless the limits are met.
"""

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import docker
from docker.errors import DockerException

# This file is called like the package, and where it is would be searched first.
sys.path.append(sys.path.pop(0))

from sandbox.backend import open_sandbox
from sandbox.bare import Bare
from sandbox.choice import Choice
from sandbox.limits import Limits
from sandbox.sandbox import Sandbox, SandboxUnavailable
from sandbox.supervised import Supervised
from sandbox.workspace import copy_of

MOST_OVER = 0.003
MOST_COLD = 0.040
MOST_WORKSPACES = 30.0
TRUE = ("/bin/true",)
PASS = ("python3", "-I", "-S", "-c", "pass")
REX = """
import asyncio, os, sys, time
os.environ["SWE_REX_LOG_STREAM_LEVEL"] = "ERROR"
from swerex.deployment.local import LocalDeployment
from swerex.runtime.abstract import BashAction, CreateBashSessionRequest
async def main():
    began = time.perf_counter()
    deployment = LocalDeployment()
    await deployment.start()
    await deployment.runtime.create_session(CreateBashSessionRequest())
    print(time.perf_counter() - began, flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        await deployment.runtime.run_in_session(BashAction(command=line.strip()))
        print(time.perf_counter() - began, flush=True)
    await deployment.stop()
asyncio.run(main())
"""
Timed: TypeAlias = Callable[[Sequence[str]], Awaitable[float]]
"""Runs a command; how many seconds it took."""


@dataclass
class Way:
    """One way to run commands."""

    name: str
    run: Timed | None = None
    cold: float | None = None
    """Seconds from nothing to the end of the first command."""
    missing: str = ""
    """Why it is not measured."""


async def timed(work: Awaitable[object]) -> float:
    """Seconds until it is done."""
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def plain(command: Sequence[str]) -> float:
    """As anybody would run it; with the interpreter that is used everywhere."""
    environment = {"PATH": f"{sys.base_prefix}/bin:/usr/bin:/bin"}
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True, env=environment)
    return time.perf_counter() - began


def through(sandbox: Sandbox) -> Timed:
    """Through a sandbox of ours."""

    async def run(command: Sequence[str]) -> float:
        began = time.perf_counter()
        completed = await sandbox.run(command)
        took = time.perf_counter() - began
        if not completed.ok:
            raise SystemExit(f"{sandbox.name}: {completed}")
        return took

    return run


async def first(choice: Choice, starts: int) -> float:
    """Median seconds from a fresh sandbox to the end of its first command."""
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(starts + 1):
            began = time.perf_counter()
            sandbox = await open_sandbox(Path(folder), backend=choice)
            await sandbox.run(TRUE)
            times.append(time.perf_counter() - began)
            await sandbox.close()
    return statistics.median(times[1:])  # The first proves that the backend works at all.


@contextlib.asynccontextmanager
async def ours(choice: Choice, starts: int) -> AsyncGenerator[Way]:
    """One of our backends."""
    name = f"{choice.backend}, supervisor"
    with tempfile.TemporaryDirectory() as folder:
        try:
            cold = await first(choice, starts)
            sandbox = await open_sandbox(Path(folder), backend=choice)
        except SandboxUnavailable as error:
            yield Way(name, missing=str(error))
            return
        try:
            yield Way(name, through(sandbox), cold)
        finally:
            await sandbox.close()


@contextlib.asynccontextmanager
async def bare() -> AsyncGenerator[Way]:
    """Our supervisor and nothing around it."""
    with tempfile.TemporaryDirectory() as folder:
        limits = Limits()
        sandbox = Supervised(Path(folder), Bare(Path(folder), limits), limits)
        cold = await timed(sandbox.run(TRUE))
        try:
            yield Way("none, supervisor", through(sandbox), cold)
        finally:
            await sandbox.close()


@contextlib.asynccontextmanager
async def docker_exec(image: str) -> AsyncGenerator[Way]:
    """A container that is kept, and `exec` through the engine's API."""
    name = "docker exec"
    try:
        client = docker.from_env()
        began = time.perf_counter()
        container = client.containers.run(
            image, ["sleep", "3600"], detach=True, network_mode="none", init=True
        )
        container.exec_run(list(TRUE))
        cold = time.perf_counter() - began
    except DockerException as error:
        yield Way(name, missing=f"no engine with {image} answers ({type(error).__name__})")
        return

    async def run(command: Sequence[str]) -> float:
        began = time.perf_counter()
        code, output = container.exec_run(list(command))
        took = time.perf_counter() - began
        if code:
            raise SystemExit(f"docker exec: {output}")
        return took

    try:
        yield Way(name, run, cold)
    finally:
        container.remove(force=True)
        client.close()


@contextlib.asynccontextmanager
async def swe_rex() -> AsyncGenerator[Way]:
    """SWE-ReX's local deployment: a bash session that reads commands."""
    name = "SWE-ReX local"
    with tempfile.TemporaryDirectory(prefix="swe-rex-") as folder:
        venv.create(folder, with_pip=True)
        python = f"{folder}/bin/python"
        install = [python, "-m", "pip", "install", "-q", "swe-rex"]
        installed = subprocess.run(install, capture_output=True, text=True, check=False)
        if installed.returncode:
            reason = (installed.stderr.strip().splitlines() or ["no reason given"])[-1]
            yield Way(name, missing=f"cannot be installed: {reason}")
            return
        pipe = subprocess.PIPE
        with subprocess.Popen([python, "-c", REX], stdin=pipe, stdout=pipe, text=True) as process:
            told, said = process.stdin, process.stdout
            assert told
            assert said

            async def run(command: Sequence[str]) -> float:
                quoted = " ".join(f"'{part}'" for part in command)
                told.write(f"{quoted}\n")
                told.flush()
                return float(said.readline())

            session = float(said.readline())
            yield Way(name, run, session + await run(TRUE))
            told.close()


async def measured(ways: Sequence[Way], command: Sequence[str], runs: int) -> list[float | None]:
    """Median seconds of each way, asked in turns, after one round that warms the caches."""
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(runs + 1):
        for way, taken in zip(ways, times, strict=True):
            if way.run:
                taken.append(await way.run(command))
    return [statistics.median(taken[1:]) if taken else None for taken in times]


def workspaces(count: int) -> tuple[float, float]:
    """Seconds to make and to drop so many workspaces of one task, all there at once."""
    files = {f"package/module_{n}.py": f"VALUE = {n}\n" * 200 for n in range(40)}
    began = time.perf_counter()
    made = [copy_of(files) for _ in range(count)]
    for number, workspace in enumerate(made):
        (workspace.root / "package/module_0.py").write_text(f"# {number}\n", encoding="utf-8")
    middle = time.perf_counter()
    for workspace in made:
        workspace.close()
    return middle - began, time.perf_counter() - middle


def show(ways: Sequence[Way], true: list[float | None], python: list[float | None]) -> None:
    """One table, in milliseconds."""
    base, base_python = true[0] or 0.0, python[0] or 0.0
    print(f"{'median, ms':<24}{'true':>9}{'over':>9}{'python':>9}{'over':>9}{'cold':>9}")
    for way, one, two in zip(ways, true, python, strict=True):
        if one is None or two is None:
            print(f"{way.name:<24}  {way.missing}")
            continue
        times = [one, one - base, two, two - base_python]
        row = "".join(f"{1000 * each:>9.2f}" for each in times)
        print(f"{way.name:<24}{row}{'' if way.cold is None else f'{1000 * way.cold:>9.1f}'}")


async def compare(options: argparse.Namespace) -> bool:
    """Print the table; whether the limits are met."""
    async with contextlib.AsyncExitStack() as stack:
        ways = [Way("plain subprocess", plain)]
        for each in (
            ours(Choice("bubblewrap"), options.starts),
            ours(Choice("docker", options.image), options.starts),
            ours(Choice("landlock"), options.starts),
            bare(),
            docker_exec(options.image),
            swe_rex(),
        ):
            ways.append(await stack.enter_async_context(each))
        true = await measured(ways, TRUE, options.runs)
        python = await measured(ways, PASS, options.runs // 4)
    show(ways, true, python)
    plainly, inside, cold = true[0], true[1], ways[1].cold
    if plainly is None or inside is None or cold is None:
        return False
    print(f"\nover plain subprocess: {1000 * (inside - plainly):.2f} ms of {1000 * MOST_OVER:.0f}")
    print(f"cold start: {1000 * cold:.1f} ms of {1000 * MOST_COLD:.0f}")
    return inside - plainly <= MOST_OVER and cold <= MOST_COLD


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--workspaces", type=int, default=1000)
    parser.add_argument("--image", default=Choice().image)
    options = parser.parse_args()
    met = asyncio.run(compare(options))
    made, dropped = workspaces(options.workspaces)
    print(
        f"{options.workspaces} workspaces: made in {made:.2f} s, dropped in {dropped:.2f} s, "
        f"of {MOST_WORKSPACES:.0f} s"
    )
    return 0 if met and made + dropped <= MOST_WORKSPACES else 1


if __name__ == "__main__":
    sys.exit(main())
