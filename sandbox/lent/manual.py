"""Searches the documentation that installed Python packages carry; runs inside the sandbox.

Called with the interpreter whose packages are meant, which is not run, and the query.
"""

import ast
import os
import re
import time
from collections.abc import Iterable, Iterator
from email.parser import Parser
from pathlib import Path

from sandbox.lent import sources
from sandbox.lent.sources import CALLABLE, Entry

SECONDS = 15.0
"""For a search by words; what was found until then is shown."""
PARSED = 50
"""Files that are parsed for a search by words, the likeliest first."""
SHOWN = 8
DOCUMENTATION = 6000
"""Characters of one docstring that are shown."""
_NOTHING_THERE = ("__pycache__", "idlelib", "lib2to3", "lib-dynload", "typeshed-fallback", "test")


def packages(folders: Iterable[Path]) -> Iterator[Entry]:
    """What installed distributions say of themselves."""
    for folder in folders:
        for path in sorted(folder.glob("*.dist-info/METADATA")):
            try:
                about = Parser().parsestr(path.read_text("utf-8", "replace")[: sources.LARGEST])
            except OSError:
                continue
            text = f"{about.get('Summary', '')}\n\n{about.get_payload()}"
            name, version = str(about.get("Name", "")), about.get("Version", "")
            yield Entry(name, f" {version} (package)", text.strip(), f"{path}:1")


def candidates(folders: Iterable[Path], words: list[str], until: float) -> list[tuple[Path, str]]:
    """Files in which the words stand, each with its module's name; the likeliest first."""
    ranked: list[tuple[float, Path, str]] = []
    for folder in folders:
        for parent, inner, files in os.walk(folder):
            inner[:] = sorted(name for name in inner if wanted(name))
            for file in sorted(files):
                path = Path(parent, file)
                if path.suffix in (".py", ".pyi") and time.monotonic() < until:
                    module = ".".join(path.relative_to(folder).with_suffix("").parts)
                    if rank := likeliness(path, module.lower(), words):
                        ranked.append((rank, path, module.removesuffix(".__init__")))
    ranked.sort(key=lambda item: (-item[0], len(item[2]), item[2]))
    return [(path, module) for _, path, module in ranked[:PARSED]]


def wanted(name: str) -> bool:
    """Whether a folder may hold documentation."""
    return not (name.endswith("-packages") or name in _NOTHING_THERE or name == "tests")


def likeliness(path: Path, module: str, words: list[str]) -> float:
    """How well a file may answer: words in it count, those in definitions and names more."""
    try:
        if path.stat().st_size > sources.LARGEST:
            return 0.0
        text = path.read_bytes().lower()
    except OSError:
        return 0.0
    rank = 0.0
    for word in words:
        raw = word.encode()
        if raw in text:
            told = b"def " + raw in text or b"class " + raw in text
            rank += 1 + (word in module) + told + min(text.count(raw), 9) / 10
    return rank


def documented(path: Path, module: str) -> Iterator[tuple[str, str, ast.AST]]:
    """Everything in a file that has a name, with its docstring."""
    tree = sources.parsed(path)
    if tree is None:
        return
    yield module, ast.get_docstring(tree) or "", tree
    waiting = [(module, child) for child in sources.statements(tree)]
    for prefix, node in waiting:
        if isinstance(node, CALLABLE):
            name = f"{prefix}.{node.name}"
            yield name, ast.get_docstring(node) or "", node
            if isinstance(node, ast.ClassDef):
                waiting += [(name, child) for child in sources.statements(node)]


def parts_of(name: str) -> set[str]:
    """The words of a name: `getJSON_data` is get, json and data."""
    spread = re.sub(r"([a-z\d])([A-Z])", r"\1 \2", name)
    return {part.lower() for part in re.split(r"[\W_]+", spread) if part}


def score(name: str, doc: str, words: list[str]) -> float:
    """How well something answers; 0 where nothing in it does."""
    above, _, own = name.rpartition(".")
    first, _, rest = doc.lower().partition("\n")
    near, far = ({stem(part) for part in parts_of(text)} for text in (own, above))
    total, met = 0.0, 0
    for word in words:
        root = stem(word)
        points = 6 * (root in near) + 2 * (own.lower() == word) + 2 * (root in far)
        points += 3 * (root in first) + (root in rest)
        total += points
        met += points > 0
    total *= (met / len(words)) ** 2
    if any(part.startswith("_") for part in name.split(".")):
        total *= 0.4
    return total * (1.0 if doc else 0.6)


def stem(word: str) -> str:
    """So much of a word as its forms share, roughly."""
    return re.sub(r"(ing|ed|es|s)$", "", word) if len(word) > 4 else word


def found(folders: list[Path], words: list[str]) -> list[Entry]:
    """The entries that answer best."""
    until = time.monotonic() + SECONDS
    ranked = [(score(entry.name, entry.doc, words), entry) for entry in packages(folders)]
    for path, module in candidates(folders[::-1], words, until):
        if time.monotonic() > until:
            break
        for name, doc, node in documented(path, module):
            if points := score(name, doc, words):
                ranked.append((points, Entry(name, "", doc, str(path), node=node)))
    ranked.sort(key=lambda pair: (-pair[0], len(pair[1].name), pair[1].name))
    # The same thing may stand in two places, such as a stub beside the source.
    once: dict[tuple[str, str], Entry] = {}
    for points, entry in ranked:
        if points > 0 and len(once) < SHOWN:
            once.setdefault((entry.name, entry.doc[:200]), entry)
    return [sources.complete(entry) for entry in once.values()]


def whole(entry: Entry) -> str:
    """An entry as it is shown alone."""
    doc = entry.doc[:DOCUMENTATION]
    if len(entry.doc) > DOCUMENTATION:
        doc += f"\n[... {len(entry.doc) - DOCUMENTATION} characters more in the file ...]"
    return "\n".join([entry.title, entry.place, "", doc or "[no docstring]", "", *entry.members])


def short(entry: Entry) -> str:
    """An entry as it is shown among others."""
    paragraph = " ".join(entry.doc.partition("\n\n")[0].split())[:300]
    return f"{entry.title[:200]}\n  {entry.place}\n  {paragraph or '[no docstring]'}"


def main(python: str, query: str) -> None:
    """Print what answers the query; nothing where nothing does."""
    began, folders = time.monotonic(), sources.places(python)
    query = query.strip().removesuffix("()")
    if sources.NAME.fullmatch(query) and (
        entry := sources.resolved(folders, query) or sources.compiled(query)
    ):
        print(whole(entry).strip())  # noqa: T201 - what it is for
        return
    words = list(dict.fromkeys(word for word in re.findall(r"[a-z0-9]+", query.lower())))
    best = found(folders, words) if words else []
    late = time.monotonic() - began > SECONDS
    notes = ["[there was only time for some of the packages]"] if late else []
    print("\n\n".join([*(short(entry) for entry in best), *notes]))  # noqa: T201
