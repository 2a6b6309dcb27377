"""What a backend tells the supervisor once, before any command."""

import resource

from sandbox.lent.frames import BadFrame


class Settings:
    """How the supervisor limits commands and ends them."""

    def __init__(self, values: dict[str, str]) -> None:
        """From the names and values that were sent; unknown ones are for others."""
        self.watch_memory = int(values.get("watch_memory_mb", "0")) * 2**20
        """Bytes that all commands together may use; 0 where a cgroup sees to it."""
        self.alone = values.get("reap") == "namespace"
        """Whether every process that it can see is its own."""
        self.landlock = values.get("landlock") == "True"
        """Whether each command is kept from signalling anything outside of itself."""
        self.proxy = values.get("proxy", "")
        """The unix socket of the proxy; empty where there is none."""
        rlimits = {"rlimits.core": "0", "rlimits.nofile": "4096", **values}
        self.rlimits = [
            (getattr(resource, f"RLIMIT_{name[8:].upper()}"), int(value))
            for name, value in rlimits.items()
            if name.startswith("rlimits.")
        ]
        """Of each process, hard and soft; the supervisor takes them on, commands inherit them."""

    def limit(self) -> None:
        """Take on the limits, as far as we are allowed to."""
        for limit, value in self.rlimits:
            most = resource.getrlimit(limit)[1]
            value = value if most < 0 else min(value, most)
            resource.setrlimit(limit, (value, value))


def pack(settings: dict[str, object]) -> bytes:
    """As a payload: `name=value`, with a dot between the names of what is nested."""
    flat: dict[str, object] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": each for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
        else:
            flat[name] = value
    return b"\0".join(f"{name}={value}".encode() for name, value in flat.items())


def unpack(payload: bytes) -> Settings:
    """The opposite of `pack`.

    Raises:
        BadFrame: these are no settings.
    """
    try:
        pairs = (part.partition("=") for part in payload.decode().split("\0") if part)
        return Settings({name: value for name, _, value in pairs})
    except (ValueError, AttributeError) as error:
        raise BadFrame(f"settings that cannot be: {error}") from error
