"""Where a session works: the folder or a copy of it, the sandbox on it, and the network."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from assistant.config import Config
from assistant.terms import NAMES, Terms
from sandbox.backend import open_sandbox
from sandbox.changes import Changes
from sandbox.network import Network, Rule
from sandbox.proxy import Proxy
from sandbox.refused import Refused
from sandbox.sandbox import Sandbox
from sandbox.snapshot import snapshot
from sandbox.workspace import Workspace, in_place, isolated
from tools.engines import engine_of
from tools.web import Web

ALARM = "NO SANDBOX: commands may do all that you may do"


@dataclass
class Ground:
    """What a session stands on."""

    terms: Terms
    workspace: Workspace
    sandbox: Sandbox
    web: Web
    proxy: Proxy | None = None
    changes: Changes | None = None
    """Of a copy; None where the folder itself is worked on."""
    readonly: tuple[Path, ...] = ()
    """What of the workspace is ours, relative to it: nothing that a model does may change it."""

    @staticmethod
    async def open(config: Config, terms: Terms, say: Callable[[str], None]) -> "Ground":
        """Put it together; `say` is told of every connection that is refused.

        Raises:
            Refused: no sandbox, or a setting that cannot be.
        """
        engine = engine_of(config.web.search)
        network = Network.allowing(config.network.allow) if config.network.allow else None
        workspace, changes = await asyncio.to_thread(_workspace, config, terms)
        proxy, own = None, _own(config, terms.root)
        try:
            if network:
                network.tell = say
                proxy = await Proxy.open(network)
            sandbox = await open_sandbox(
                workspace.root,
                limits=config.sandbox,
                readonly=own,
                network=network,
                backend=config.sandbox.choice if terms.sandboxed else "none",
            )
        except BaseException:
            if proxy:
                await proxy.close()
            workspace.close()
            raise
        return Ground(terms, workspace, sandbox, Web(network, engine), proxy, changes, own)

    @property
    def label(self) -> str:
        """What the status line says of it."""
        parts = [NAMES.get(self.sandbox.name, self.sandbox.name)]
        parts += ["a copy"] if self.changes else []
        if self.web.network:
            parts.append(f"network: {len(self.web.network.rules)} allowed")
        return ", ".join(parts)

    @property
    def alarm(self) -> str:
        """What has to be in sight all the time; mostly empty."""
        return "" if self.terms.sandboxed else ALARM

    def check(self) -> None:
        """See whether there is still something to work on.

        Raises:
            Refused: the folder is gone.
        """
        if not self.terms.root.is_dir():
            raise Refused(
                f"{self.terms.root} is not there any more: put it back and start the assistant "
                "again, or leave."
            )

    def allow(self, domain: str) -> None:
        """Reach one more domain from now on.

        Raises:
            Refused: it is no domain, or the session was started without a network.
        """
        rule, network = Rule.parse(domain), self.web.network
        mend = f"leave, and go on with assistant --continue --allow {domain}"
        if network is None:
            raise Refused(f"This session has no network: {mend}")
        wider = replace(network, rules=(*network.rules, rule))
        if wider.environment != network.environment:
            # What the sandbox was started with says that this name is its own.
            raise Refused(f"{domain} can only be allowed from the start: {mend}")
        network.rules = wider.rules

    def diff(self) -> str:
        """What changed since the conversation began, or of a copy: what is not applied."""
        return self.changes.diff() if self.changes else self.workspace.diff()

    def renew(self) -> None:
        """A conversation begins: changes count from here. A copy keeps what is not applied."""
        if not self.changes:
            self.workspace = in_place(self.terms.root)

    def apply(self) -> tuple[str, ...]:
        """Bring what was changed in the copy into the folder, and name it.

        Raises:
            Refused: there is no copy, or it does not fit any more.
        """
        if not self.changes:
            raise Refused(
                "There is nothing to apply: changes are made in your folder itself; "
                "start with --isolate to work on a copy."
            )
        # Otherwise a folder that holds nothing would pass for one that is as it should be.
        self.check()
        return self.changes.apply()

    def keep(self, home: Path) -> str:
        """Save what is not applied; the line that says where, or none if there is nothing."""
        if not (self.changes and self.changes.diff()):
            return ""
        place = home / "unapplied" / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        try:
            self.changes.save(place)
        except OSError as error:
            return f"The changes were not applied, and cannot be saved: {error.strerror}."
        return (
            "The changes were not applied to your folder; they are kept: "
            f"git apply {place}/changes.patch"
        )

    async def close(self) -> None:
        """End whatever still runs, and remove the copy."""
        try:
            await self.sandbox.close()
        finally:
            if self.proxy:
                await self.proxy.close()
            self.workspace.close()


def _workspace(config: Config, terms: Terms) -> tuple[Workspace, Changes | None]:
    """The folder itself, or a copy of it and what will differ."""
    if not terms.isolate:
        return in_place(terms.root), None
    start = snapshot(terms.root)
    copy = isolated(terms.root, megabytes=config.sandbox.workspace_mb)
    return copy, Changes(terms.root, copy.root, start)


def _own(config: Config, folder: Path) -> tuple[Path, ...]:
    """What is ours in the folder: who works in a folder above our home must not change it."""
    home, folder = config.home.resolve(), folder.resolve()
    inside = home.is_relative_to(folder) and home != folder and home.is_dir()
    return (home.relative_to(folder),) if inside else ()
