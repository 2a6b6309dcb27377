"""Docker's engine, and the image that a workspace's commands run in."""

import contextlib
import os
import socket
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sandbox import owner
from sandbox.choice import Choice
from sandbox.sandbox import SandboxBroken, SandboxUnavailable

if TYPE_CHECKING:
    from docker import DockerClient

_TIMEOUT = 60
"""Seconds that the engine may take to answer."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """What is known of an image before anything runs in it."""

    id: str
    path: str
    """Where its programs are."""
    volumes: tuple[str, ...] = ()
    """Folders that it would have on the engine's disk, without a limit."""
    python: str = "python3"
    pytest: bool = False
    """Whether it brings a pytest of its own."""


def engine_socket() -> str:
    """The path of the engine's socket.

    Raises:
        SandboxUnavailable: it is not on this machine.
    """
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not host.startswith("unix://"):
        raise SandboxUnavailable(
            f"No sandbox: the engine at {host} is another machine's; "
            "unset DOCKER_HOST, or let it name a unix:// socket."
        )
    return host.removeprefix("unix://")


@contextlib.contextmanager
def connected() -> Generator["DockerClient"]:
    """The engine that `DOCKER_HOST` names, or the machine's; what fails becomes a sentence.

    Raises:
        SandboxUnavailable: there is none, or none that sees this machine's folders.
        SandboxBroken: it refused what was asked of it.
    """
    try:
        import docker
        from docker import errors
        from requests import exceptions
    except ImportError as error:
        raise SandboxUnavailable(
            "No sandbox: the docker package is not installed; "
            "install it with `pip install 'assistant[docker]'`."
        ) from error
    path = engine_socket()
    try:
        # The package leaves a connection open that it does not get.
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
        client = docker.DockerClient(f"unix://{path}", timeout=_TIMEOUT)
    except (errors.DockerException, OSError) as error:
        raise SandboxUnavailable(
            f"No sandbox: Docker does not answer at {path} ({reason(error)}); "
            "start it, for example with `sudo systemctl start docker`."
        ) from error
    try:
        yield client
    except errors.ImageNotFound as error:
        raise SandboxUnavailable(f"No sandbox: {reason(error)}.") from error
    except (errors.DockerException, exceptions.RequestException) as error:
        raise SandboxBroken(f"Docker failed: {reason(error)}.") from error
    finally:
        client.close()


def reason(error: Exception) -> str:
    """What an engine's error says, on one line."""
    said = getattr(error, "explanation", None) or getattr(error, "strerror", None) or error
    return " ".join(str(said).split())[:300].rstrip(".")


def inspect(choice: Choice) -> Image:
    """What the engine knows of an image; nothing is pulled.

    Raises:
        SandboxUnavailable: there is no engine, or it does not have the image.
    """
    from docker import errors

    with connected() as client:
        reap(client)
        try:
            told = cast("dict[str, Any]", client.api.inspect_image(choice.image))
        except errors.ImageNotFound as error:
            raise SandboxUnavailable(
                f"No sandbox: the image {choice.image} is not on this machine; "
                f"get it with `docker pull {choice.image}`."
            ) from error
    config = cast("dict[str, Any]", told.get("Config") or {})
    pairs = (text.partition("=") for text in config.get("Env") or ())
    settings = {name: value for name, _, value in pairs}
    return Image(
        str(told["Id"]), settings.get("PATH", _PATH), tuple(sorted(config.get("Volumes") or ()))
    )


def reap(client: "DockerClient") -> None:
    """Remove the containers whose owners are dead."""
    from docker import errors

    labels = {"label": owner.LABEL}
    for told in cast("list[dict[str, Any]]", client.api.containers(all=True, filters=labels)):
        if owner.is_dead(told["Labels"]):
            with contextlib.suppress(errors.APIError):  # Somebody else was faster.
                client.api.remove_container(told["Id"], force=True, v=True)
