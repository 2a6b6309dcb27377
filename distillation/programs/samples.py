"""Texts for tests."""

from distillation.programs.bench import Bench

TEXTS = (
    "red", "Blue", "GREEN", "oak", "Pine tree", " salt ", "42", "7up", "tea pot", "Ann", "bob",
    "RIVER", "a-b", "x1", "moon", "Sun", "no", "yes", "Lamp", "2024", "north", "so", "KIT",
)  # fmt: skip


def text(bench: Bench) -> str:
    """A text for a test."""
    return bench.pick(TEXTS)


def texts(bench: Bench, low: int = 2, high: int = 4) -> list[str]:
    """A list of texts for a test."""
    return [text(bench) for _ in range(bench.random.randint(low, high))]
