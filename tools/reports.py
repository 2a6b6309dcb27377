"""What test runners print, read into counts and failures. It is untrusted text: nothing is sure."""

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

_OWN = r"(?!/|<|node:|node_modules/)"
"""Before a path: it belongs to the workspace, whose prefix was taken off."""
_PANICS = 20
"""Panics of Go that are shown."""


@dataclass(frozen=True)
class Failure:
    """One test that failed, or an error that kept tests from running."""

    name: str
    place: str = ""
    """`file:line`, where it is known."""
    lines: tuple[str, ...] = ()
    """The assertion and what it compared."""


@dataclass(frozen=True)
class Report:
    """What is known of a run."""

    counts: str = ""
    """In the runner's words: `1 failed, 2 passed`; empty where it said nothing that we know."""
    failures: tuple[Failure, ...] = ()


def pytest(text: str) -> Report:
    """Read the output of `pytest --tb=short`."""
    failures: list[Failure] = []
    for name, block in _blocks(text, r"_{3,} (.+?) _{3,}$", r"={3,} |-{3,} Captured|!{3,} "):
        places = list(re.finditer(rf"^({_OWN}\S[^:\n]*:\d+): in .*\n(.*)", block, re.M))
        errors = [line[1:].strip() for line in block.splitlines() if line.startswith("E ")]
        source = [places[-1][2].strip()] if places else []
        first, last = (places[0][1], places[-1][1]) if places else ("", "")
        place = first if first == last else f"{first}, raised at {last}"
        failures.append(Failure(name, place, (*source, *(e for e in errors if e))))
    found = re.findall(
        r"^(?:=+ )?(\d+ [a-z]+(?:, \d+ [a-z]+)*|no tests ran) in [\d.]+s", text, re.M
    )
    return Report(found[-1] if found else "", tuple(failures))


def unittest(text: str) -> Report:
    """Read the output of `python -m unittest`."""
    failures: list[Failure] = []
    for name, block in _blocks(text, r"(?:FAIL|ERROR): (.+)$", r"={70}|Ran \d+ test"):
        places = re.findall(rf'^  File "({_OWN}[^"]+)", line (\d+)', block, re.M)
        # The exception begins at the last line at the margin that follows an indented one.
        at = [m.end() for m in re.finditer(r"^ .*\n(?=\S)", block, re.M)]
        error = block[at[-1] :] if at else block
        failures.append(Failure(name, ":".join(places[-1]) if places else "", _kept(error)))
    ran = re.search(r"^Ran (\d+) tests?.*\n+(?:(OK)|FAILED)(?: \((.*)\))?", text, re.M)
    counts = ", ".join(part for part in (ran[2], ran[3]) if part) if ran else ""
    return Report(f"{ran[1]} ran, {counts}" if ran else "", tuple(failures))


def cargo(text: str) -> Report:
    """Read the output of `cargo test`."""
    failures: list[Failure] = []
    for title, block in _blocks(text, r"(error(?:\[E\d+\])?: .+)$", r"$|error: |warning: "):
        if place := re.search(r"^ *--> ([^:\n]+:\d+).*", block, re.M):
            failures.append(Failure(title, place[1], _kept(block[place.end() :])))
    for name, block in _blocks(text, r"---- (.+) stdout ----$", r"failures:$|test result: "):
        panic = re.search(
            r"panicked at ([^:\n]+:\d+):\d+:\n((?:.*\n)*?)(?=stack |note:|\n|\Z)", block
        )
        message = panic[2] if panic else block
        failures.append(Failure(name, panic[1] if panic else "", _kept(message)))
    results = re.findall(r"^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored", text, re.M)
    passed, failed, ignored = (sum(int(result[n]) for result in results) for n in range(3))
    counts = f"{failed} failed, {passed} passed, {ignored} ignored" if results else ""
    return Report(counts, tuple(failures))


def go(text: str) -> Report:
    """Read the output of `go test`."""
    failures = [
        Failure(found[2], found[1])
        for found in re.finditer(r"^(?:\./)?([^\s:]+\.go:\d+):\d+: (.+)$", text, re.M)
    ]
    for name, block in _blocks(text, r" *--- FAIL: (\S+).*$", r"(?:FAIL|ok|PASS|panic:|=== )"):
        lines = _kept(block)
        place = next((m[1] for line in lines if (m := re.match(r"(\S+\.go:\d+): ", line))), "")
        # A test whose parts failed says nothing itself.
        if lines:
            failures.append(
                Failure(name, place, tuple(line.removeprefix(f"{place}: ") for line in lines))
            )
    # A panic ends its program; more of them are seldom, and each costs a look through the rest.
    for panic in islice(re.finditer(r"^panic: (.+)$", text, re.M), _PANICS):
        at = re.search(rf"^\t{_OWN}(\S+\.go:\d+) \+", text[panic.end() :], re.M)
        failures.append(Failure(f"panic: {panic[1]}", at[1] if at else ""))
    bad, good = (len(re.findall(rf"^{word}\s+\S+\s", text, re.M)) for word in ("FAIL", "ok"))
    counts = f"{len(failures)} failed; packages: {bad} failed, {good} ok"
    return Report(counts if bad + good else "", tuple(failures))


def npm(text: str) -> Report:
    """Read the output of `npm test` with jest, vitest or node's own runner."""
    readers = (("Test Suites: ", _jest), (" Test Files ", _vitest), ("# tests ", _node))
    return next((read(text) for mark, read in readers if mark in text), Report())


def _jest(text: str) -> Report:
    failures: list[Failure] = []
    for name, block in _blocks(text, r"  ● (.+)$", r"(?:FAIL|PASS) |Test Suites:|Summary of all"):
        if name != "Console":
            failures.append(Failure(name, _script_place(block), _message(block)))
    counts = re.findall(r"^Tests: +(.+)$", text, re.M)
    return Report(counts[-1] if counts else "", tuple(dict.fromkeys(failures)))


def _vitest(text: str) -> Report:
    failures: list[Failure] = []
    for name, block in _blocks(text, r" FAIL  (.+)$", r"⎯"):
        if block.strip():
            failures.append(Failure(name, _script_place(block), _message(block)))
    counts = re.findall(r"^ +Tests +(.+)$", text, re.M)
    return Report(counts[-1] if counts else "", tuple(failures))


def _node(text: str) -> Report:
    failures: list[Failure] = []
    for name, block in _blocks(text, r" *not ok \d+ - (.+)$", r" *\.\.\.$|[ #]*Subtest:"):
        if "'subtestsFailed'" not in block:
            place = re.search(r"([^\s'(]+:\d+):\d+", block.partition("stack:")[2] or block)
            error = re.search(r"^( *)error: (?:\|-\n((?:\1  .*\n)+)|(.+))", block, re.M)
            message = (error[2] or error[3]).strip("'\"") if error else ""
            failures.append(Failure(name, place[1] if place else "", _kept(message)))
    found = dict(re.findall(r"^# (pass|fail|skipped) (\d+)$", text, re.M))
    words = {"fail": "failed", "pass": "passed", "skipped": "skipped"}
    return Report(
        ", ".join(f"{found.get(k, 0)} {word}" for k, word in words.items()), tuple(failures)
    )


_READERS: dict[str, Callable[[str], Report]] = {
    "pytest": pytest, "unittest": unittest, "npm": npm, "cargo": cargo, "go": go,
}  # fmt: skip
_LONGEST = 500
"""Characters of a line: enough for a person, and no work for the patterns."""


def read(runner: str, output: str, workdir: str) -> Report:
    """What a runner's output says, with paths relative to the workspace."""
    lines = output.replace(f"{workdir}/", "").split("\n")
    return _READERS[runner]("\n".join(line[:_LONGEST].rstrip("\r") for line in lines))


def _blocks(text: str, head: str, end: str) -> Iterator[tuple[str, str]]:
    """Each line that is a head, by its first group, with the lines up to the next head or end."""
    opening, closing = re.compile(head), re.compile(end)
    name, lines = None, list[str]()
    for line in (*text.split("\n"), None):
        found = opening.match(line) if line is not None else None
        if name is not None and (line is None or found or closing.match(line)):
            yield name, "".join(f"{kept}\n" for kept in lines)
            name, lines = None, []
        if found:
            name, lines = found[1].strip(), []
        elif name is not None and line is not None:
            lines.append(line)


def _kept(text: str) -> tuple[str, ...]:
    lines = textwrap.dedent(text.expandtabs(4)).splitlines()
    return tuple(line.rstrip() for line in lines if line.strip(" |"))


def _script_place(block: str) -> str:
    found = re.findall(r"^(?: *at .*?| \u276f .*?)([^\s():]+:\d+):\d+", block, re.M)
    return next((place for place in found if re.match(_OWN, place)), "")


def _message(block: str) -> tuple[str, ...]:
    """Without the excerpt of the code and the stack."""
    noise = re.compile(r"\s*>?\s*\d+ ?\||\s*\||\s*at |\s*\u276f ")
    return _kept("\n".join(line for line in block.splitlines() if not noise.match(line)))


def shown(report: Report, most: int, most_lines: int) -> Iterable[str]:
    """The first failures in lines for a model."""
    for failure in report.failures[:most]:
        yield ""
        yield f"{failure.name} ({failure.place})" if failure.place else failure.name
        yield from (f"  {line}" for line in failure.lines[:most_lines])
        if len(failure.lines) > most_lines:
            yield f"  ... and {len(failure.lines) - most_lines} lines"
    if len(report.failures) > most:
        yield f"\n... and {len(report.failures) - most} more failures"
