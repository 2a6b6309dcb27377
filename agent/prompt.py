"""The system prompt. It never changes within a run, so that prefixes stay cached."""

from importlib.resources import files


def system_prompt() -> str:
    """The text that every episode begins with: no date, no path, nothing of this machine."""
    return files("agent").joinpath("prompts/system.md").read_text(encoding="utf-8").strip()
