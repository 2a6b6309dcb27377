"""Choosing a sandbox: a canary runs once, and where it dies nothing else may run."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import cast

from sandbox import mounts
from sandbox.bare import Bare
from sandbox.bubblewrap import Bubblewrap
from sandbox.cgroup import Controllers, controllers
from sandbox.choice import AUTO, Choice
from sandbox.container import Plan
from sandbox.docker import Docker, known, proven
from sandbox.interpreter import resolve, ripgrep
from sandbox.landlock import RESIDUAL, Landlock, missing
from sandbox.launch import Launch
from sandbox.limits import Limits
from sandbox.network import Network
from sandbox.planted import Planted
from sandbox.sandbox import Sandbox, SandboxBroken, SandboxUnavailable
from sandbox.stage import stage_of
from sandbox.supervised import Supervised
from sandbox.temporary import scratch
from sandbox.warden.client import warden
from sandbox.wish import Wish

_OLDEST = "0.8"
_DEFAULT = Limits()
_proven: set[str] = set()
"""The programs whose canary lived, in this process."""


@dataclass(frozen=True)
class Backend:
    """One way to keep commands from doing harm."""

    canary: Callable[..., Awaitable[str | None]]
    """None where it works here, else the sentence to show; takes a `Choice`, or the default."""
    launch: Callable[[Wish], Launch]
    """How the supervisor of one workspace is started.

    Raises:
        SandboxUnavailable: not for this workspace.
    """
    describe: Callable[[], str] = lambda: ""
    """What holds here and what does not, in a few words for `assistant doctor`."""
    copies: bool = True
    """Whether it can show a copy-on-write workspace."""


@cache
def _controllers() -> Controllers:
    return controllers()


async def canary() -> str | None:
    """Run one command in the default sandbox; None when that works, else the sentence to show."""
    return await _canary()


async def _canary(choice: Choice = AUTO) -> str | None:
    """The same for bubblewrap."""
    if sys.platform != "linux":
        return (
            f"No sandbox: bubblewrap needs Linux and this is {sys.platform}; use a Linux machine."
        )
    program = mounts.bubblewrap()
    if program is None:
        return (
            "No sandbox: bubblewrap (bwrap) is not installed; "
            "install it, for example with `sudo apt-get install bubblewrap`."
        )
    if program in _proven:
        return None
    problem = await _fails()
    if problem and _facts()["dropping"]:  # Perhaps it may only be used by root.
        warden().ask("stay")
        problem = await _fails()
    if problem:
        return _explain(problem)
    _proven.add(program)
    return None


async def _fails() -> str:
    """Why a command in a bubblewrap sandbox does not work; empty where it does."""
    with scratch() as folder:
        wish = Wish(folder, Limits(seconds=20), own_python=False)
        sandbox = Supervised(wish.root, _bubblewrap(wish), wish.limits)
        try:
            completed = await sandbox.run(["/bin/sh", "-c", "echo alive > canary && cat canary"])
        except SandboxBroken as error:
            return str(error)
        finally:
            await sandbox.close()
    if completed.stdout == "alive\n":
        return ""
    return completed.stderr.strip() or f"exit code {completed.exit_code}"


def _explain(reason: str) -> str:
    """What can be done about a canary that died."""
    reason = " ".join(reason.split())
    if "nknown option" in reason:
        mend = f"install version {_OLDEST} or newer"
    elif "namespace" in reason or "uid map" in reason or "ermission" in reason:
        mend = (
            "allow unprivileged user namespaces (`sudo sysctl -w "
            "kernel.unprivileged_userns_clone=1`, on Ubuntu an AppArmor profile for bwrap)"
        )
    else:
        mend = "make `bwrap --ro-bind / / --unshare-all true` work"
    return f"No sandbox: bubblewrap does not work here ({reason}); {mend}."


def _bubblewrap(wish: Wish) -> Bubblewrap:
    return Bubblewrap(
        wish.root,
        resolve(wish.root, mounts.WORKDIR, own=wish.own_python, named=wish.origin),
        wish.limits,
        mounts.bubblewrap() or "bwrap",
        _controllers(),
        ripgrep(),
        wish.readonly,
        wish.network,
        wish.stage,
    )


def _facts() -> dict[str, bool]:
    """What the warden can do here."""
    return cast("dict[str, bool]", warden().ask("facts")[0])


def _described() -> str:
    facts = _facts()
    parts = [str(_controllers())]
    if facts["root"]:
        dropping = "as another user" if facts["dropping"] else "as root, without capabilities"
        parts.append(f"root's commands run {dropping}")
    parts.append("copy-on-write" if facts["stages"] else "no copy-on-write workspaces")
    return "; ".join(parts)


async def _docker_canary(choice: Choice = AUTO) -> str | None:
    try:
        await proven(choice)
    except SandboxUnavailable as error:
        return str(error)
    return None


async def _landlock_canary(choice: Choice = AUTO) -> str | None:
    lack = missing()
    if lack:
        return f"No sandbox: Landlock does not work here ({lack}); use bubblewrap or Docker."
    if "landlock" in _proven:
        return None
    with scratch() as folder:
        wish = Wish(folder, Limits(seconds=20), own_python=False)
        sandbox = Supervised(wish.root, _landlock(wish), wish.limits)
        try:
            completed = await sandbox.run(["/bin/sh", "-c", f"cat {folder}/../*; echo alive"])
        except SandboxBroken as error:
            return f"No sandbox: Landlock does not work here ({error}); use bubblewrap or Docker."
        finally:
            await sandbox.close()
    if completed.stdout != "alive\n":
        return "No sandbox: Landlock does not hold here; use bubblewrap or Docker."
    _proven.add("landlock")
    return None


def _docker(wish: Wish) -> Docker:
    return Docker(
        Plan(
            wish.root,
            wish.choice,
            known(wish.choice),
            wish.limits,
            wish.readonly,
            wish.network,
            wish.stage,
        )
    )


def _landlock(wish: Wish) -> Landlock:
    if wish.stage is not None:
        raise SandboxUnavailable(
            "No sandbox: Landlock cannot show a copy-on-write workspace; use bubblewrap."
        )
    if wish.network is not None:
        raise SandboxUnavailable(
            "No network: Landlock cannot keep commands to a list of domains; use bubblewrap or "
            "Docker, or allow no domain."
        )
    return Landlock(
        wish.root,
        resolve(wish.root, str(wish.root), own=wish.own_python),
        wish.limits,
        _controllers(),
        ripgrep(),
        wish.readonly,
    )


async def _always(choice: Choice = AUTO) -> str | None:
    return None


def _bare(wish: Wish) -> Bare:
    if wish.stage is not None:
        raise SandboxUnavailable("Without a sandbox there are no copy-on-write workspaces.")
    return Bare(wish.root, wish.limits)


BACKENDS: Mapping[str, Backend] = {
    "bubblewrap": Backend(_canary, _bubblewrap, _described),
    "docker": Backend(_docker_canary, _docker, lambda: "one container a workspace"),
    "landlock": Backend(
        _landlock_canary, _landlock, lambda: f"reduced: {'; '.join(RESIDUAL)}", copies=False
    ),
    "none": Backend(_always, _bare, lambda: "NO SANDBOX", copies=False),
}
"""By name. `none` is only for who asks for it by this name."""
AUTOMATIC = ("bubblewrap", "docker", "landlock")
"""Which are tried where nobody asks for one."""


async def _chosen(choice: Choice) -> Backend:
    """The backend of this name, or the first that works.

    Raises:
        SandboxUnavailable: it does not work, or none does.
    """
    name = choice.backend
    if name and name not in BACKENDS:
        names = ", ".join(BACKENDS)
        raise SandboxUnavailable(f"There is no sandbox called {name}; choose one of {names}.")
    problems: list[str] = []
    for each in (name,) if name else AUTOMATIC:
        problem = await BACKENDS[each].canary(choice)
        if not problem:
            return BACKENDS[each]
        problems.append(problem)
    raise SandboxUnavailable(problems[0])


async def copies(choice: Choice) -> bool:
    """Whether what is chosen can show a copy-on-write workspace.

    Raises:
        SandboxUnavailable: it does not work, or none does.
    """
    return (await _chosen(choice)).copies


async def open_sandbox(
    root: Path,
    *,
    limits: Limits = _DEFAULT,
    readonly: Sequence[Path] = (),
    own_python: bool = True,
    network: Network | None = None,
    backend: str | Choice = "",
) -> Sandbox:
    """Open a sandbox on a workspace; for the parameters see `Wish`.

    `backend`: its name; empty is the first whose canary lives.

    Raises:
        SandboxUnavailable: no backend works here, or not for this workspace.
    """
    stage = stage_of(root)
    if stage is None:
        root = root.resolve()
        if not root.is_dir():
            reason = f"No sandbox for {root}: it is not a folder; name one that exists."
            raise SandboxUnavailable(reason)
    choice = Choice(backend) if isinstance(backend, str) else backend
    chosen = await _chosen(choice)
    wish = Wish(root, limits, tuple(readonly), own_python, network, choice=choice)
    if stage is not None:
        wish = replace(wish, stage=stage.number, origin=stage.origin)
    launch = chosen.launch(wish)
    refusals = network.drain if network else lambda: ()
    if stage is not None:  # Nothing of it is seen by the user's own programs.
        return Supervised(root, launch, limits, refusals)
    planted = await asyncio.to_thread(Planted, root)
    return Supervised(root, launch, limits, refusals, planted.clean)
