"""The heart of an episode by itself: a file is read and written anew, as it says it should be.

It needs no tests, no sandbox and a fifth of an episode's tokens: most of what the student knows of
programs it learns here, and from whole episodes the way to them. What it learns is to restore a
text that was spoilt (as in Lewis et al., "BART", 2019); where much is spoilt every line teaches,
where one place is it is the task itself.
"""

from dataclasses import dataclass
from random import Random

from agent.message import assistant, observed
from agent.task import Split
from distillation.example import Example
from distillation.programs.bench import Bench
from distillation.programs.names import Names
from distillation.programs.program import FAMILIES, module_path, opening
from distillation.programs.sites import Bug, bugs, render
from distillation.programs.slips import slipped
from distillation.programs.tested import drawn
from distillation.programs.tutor import SAYINGS
from tools.call import Observation, ToolCall

_UNITS = (1, 1, 1, 2, 2, 3)


@dataclass(frozen=True)
class Kind:
    """What drills are like."""

    share: float = 0.0
    """Of the places that can be wrong, how many are; 0 makes one place wrong, as in a task."""
    slips: int = 0
    """Added: what a student copies wrongly, to be found by it when it reads it again."""
    compounds: float = 0.0
    """Share of the words in names that are two in one."""
    only: str = ""
    """The kind of the bug, where one place is wrong and it is not left to chance."""


def drill(family: str, split: Split, seed: int, kind: Kind = Kind()) -> Example:
    """The turns from reading a file to writing it; only the writing is trained."""
    share, slips = kind.share, kind.slips
    words = (f" {word}" for word in (slips, kind.only) if word)
    random = Random(f"drill {family} {split} {seed} {share}{''.join(words)}")
    bench = Bench(random, Names(random, split, compounds=kind.compounds))
    path, _ = module_path(bench)
    head = opening(bench, path)
    codes = [FAMILIES[family](bench).code for _ in range(bench.pick(_UNITS))]
    while kind.only and not _places(codes, kind.only):
        codes[-1] = FAMILIES[family](bench).code
    marked = head + "\n\n".join(codes)
    wrong = _many(random, marked, share) if share else _one(bench, head, codes, kind.only)
    for _ in range(slips):
        wrong = slipped(random, wrong, sorted(bench.names.used))
    return rewriting(f"drill/{family}/{split}/{seed}", path, wrong, render(marked))


def rewriting(id: str, path: str, wrong: str, right: str) -> Example:
    """The turns in which a file is read and written anew; only the writing is trained."""
    reading = ToolCall("call_1_0", "read_file", {"path": path})
    writing = ToolCall("call_3_0", "write_file", {"path": path, "content": right})
    messages = [
        assistant(SAYINGS["read_file"].format(path=path), [reading]),
        # As the tool shows it: the compact profile prints no line numbers.
        observed(Observation(reading.id, reading.name, wrong)),
        assistant(SAYINGS["write_file"].format(path=path), [writing]),
    ]
    return Example(id, id, messages, [], [False, False, True])


def _many(random: Random, marked: str, share: float) -> str:
    places: dict[int, list[Bug]] = {}
    for bug in bugs(marked):
        places.setdefault(bug.place, []).append(bug)
    chosen = [random.choice(known) for known in places.values() if random.random() < share]
    return render(marked, *chosen)


def _one(bench: Bench, head: str, codes: list[str], only: str) -> str:
    if only:
        broken, bug = bench.pick(_places(codes, only))
    else:
        broken = bench.random.randrange(len(codes))
        bug = drawn(bench, codes[broken])
    texts = [render(code, *((bug,) if bug and n == broken else ())) for n, code in enumerate(codes)]
    return head + "\n\n".join(texts)


def _places(codes: list[str], kind: str) -> list[tuple[int, Bug]]:
    """Where bugs of a kind can be, by the number of the code."""
    return [(n, bug) for n, code in enumerate(codes) for bug in bugs(code) if bug.kind == kind]
