"""Puts a pretrained student into the package: `python -P -m training.ship run/student scores…`.

The scores are the scorecards of `benchmarks.student` (JSON), each named as `functions=path`; they
become the table of its model card.
"""

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path

from training.pretraining import KINDS, Pretraining
from training.scorecard import Scorecard
from training.version import CARD

_TEXT = """# The student

A Qwen2 of {parameters:.1f} million parameters, pretrained from nothing to do one thing: repair
small Python programs through the agent's tools. It runs the tests, reads the program, writes it
anew as its docstrings and comments say it should be, and runs the tests again.

## Data

{spoilt} generated files in which many places are wrong, {drills} with one bug, {swaps} in which
that is two things in each other's place, {slips} with something copied wrongly as well, and {plays}
plays of generated episodes, made by `distillation/programs` from seed {seed}: functions on numbers,
texts and lists, with bugs of ten kinds. Episodes were played by the generator's own tutor through
the real tools in the real sandbox, with their real outputs. {real} times it wrote functions of
Python's standard library, half of which had been spoilt, and a small share is that library's
sources and docs as they are.
The families `tallies` and `classes` are not in it, and no one's conversations. No generated
program in it has a held-out word for a name as it is; the standard library's code uses some.

## Limits

It knows no other task, and no language but the English of its prompts. It repairs what a
docstring or a comment next to the code gives away, in files of a few dozen lines; 4,096 tokens
are all that it can read. It does not reason about what a test expects. Look at the diff before
you say yes: what it copies wrongly is a new bug. It says what it is when it is asked for something
else, in words that it learnt by heart.

## Evaluation

Other programs, with other names, than those that were generated for training, played by the agent
in the sandbox; solved means that the task's check passes on a fresh copy. With 95 % intervals
(Wilson).

| tasks | solved |
| --- | --- |
{rows}

## Reproduce

`make student`: recipe `training/pretraining.py`, seed {seed}, {steps} steps, of which the weights
of three late ones are averaged; about three and a half hours on two cores. The weights will not be
the same to the bit: that depends on the processor's arithmetic, and some episodes were made anew
while this student was trained. `base.gguf` is `model.safetensors` converted, in half precision.
"""


def main() -> None:
    """Ship from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("student", type=Path, help="folder of the pretrained student")
    parser.add_argument("scores", nargs="*", help="name=scorecard.json")
    given = parser.parse_args()
    pairs = [text.partition("=") for text in given.scores]
    cards = {name: Scorecard.read(Path(path)) for name, _, path in pairs}
    ship(given.student, cards, Path(__file__).with_name("base"))


def ship(student: Path, cards: Mapping[str, Scorecard], to: Path) -> None:
    """Copy the student to `to` with a model card; it appears whole."""
    part = to.with_name(to.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    # Benchmarks leave their results beside the GGUF.
    shutil.copytree(student, part, ignore=shutil.ignore_patterns("evaluated"))
    (part / CARD).write_text(card(student, cards), encoding="utf-8")
    shutil.rmtree(to, ignore_errors=True)
    part.rename(to)


def card(student: Path, cards: Mapping[str, Scorecard]) -> str:
    """The model card."""
    numbers = Pretraining()
    counts = {
        kind: sum(phase.steps * getattr(phase, kind) for phase in numbers.phases) for kind in KINDS
    }
    return _TEXT.format(
        # In half precision, and next to nothing else is in the file.
        parameters=(student / "model.safetensors").stat().st_size / 2e6,
        rows="\n".join(f"| {name} | {score} |" for name, score in cards.items()),
        seed=numbers.seed,
        steps=numbers.steps,
        plays=counts["episodes"] + counts["hard"],
        **counts,
    )


if __name__ == "__main__":
    main()
