"""Finds definitions and references in source code by tree-sitter; runs inside the sandbox.

Called as `python -I -S symbols.py PACKAGES PATH [NAME]`: PACKAGES is the folder with tree-sitter
and its grammars. With a name it prints where that is defined and used, else what a file or the
files of a folder define; status 2 says that there is no such path. Which files a folder has says
ripgrep, so what git ignores is left out.
"""

import importlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import Any

Node = Any
"""A node of tree-sitter, which is not there when this is checked in another environment."""
_GRAMMARS = {
    "py pyi": "python", "js mjs cjs jsx": "javascript", "ts mts cts": "typescript", "tsx": "tsx",
    "go": "go", "rs": "rust", "java": "java", "c": "c", "h cc cpp cxx hpp hh hxx": "cpp",
}  # fmt: skip
_BY_ENDING = {ending: name for endings, name in _GRAMMARS.items() for ending in endings.split()}
# What the grammars' own tags leave out.
_MORE = {
    "typescript": """
        (type_alias_declaration name: (type_identifier) @name) @definition.type
        (enum_declaration name: (identifier) @name) @definition.enum""",
    "rust": """
        (const_item name: (identifier) @name) @definition.constant
        (static_item name: (identifier) @name) @definition.constant
        (impl_item type: (type_identifier) @name) @definition.implementation
        (impl_item type: (generic_type type: (type_identifier) @name))
            @definition.implementation""",
    "java": """
        (constructor_declaration name: (identifier) @name) @definition.method
        (enum_declaration name: (identifier) @name) @definition.class
        (record_declaration name: (identifier) @name) @definition.class""",
    "c": """
        (preproc_def name: (identifier) @name) @definition.macro
        (preproc_function_def name: (identifier) @name) @definition.macro""",
}
_MORE["tsx"], _MORE["cpp"] = _MORE["typescript"], _MORE["c"]
# Nodes that are only the head of what they define.
_HEADS = (
    "function_declarator", "pointer_declarator", "reference_declarator", "variable_declarator",
    "type_spec",
)  # fmt: skip
_LARGEST = 2**21
_SECONDS = 20.0
_WIDTH = 160
_MOST = 400
"""Definitions and references that are printed of one name, each."""


@dataclass
class Definition:
    """A definition, and those inside of it."""

    name: str
    at: int
    """Where the name is, in bytes."""
    start: int
    end: int
    first: int
    """Number of its first line, counted from 1."""
    last: int
    inner: list["Definition"] = field(default_factory=list["Definition"])
    outer: str = ""
    """Name of the one around it."""


@dataclass
class Source:
    """A file of code and its tree."""

    path: str
    data: bytes
    root: Node
    grammar: str

    @property
    def shown(self) -> str:
        """The path, on one line."""
        shown = os.fsencode(self.path).decode("utf-8", "replace")
        return shown.removeprefix("./").replace("\n", "\\n")

    def line(self, number: int) -> str:
        """The text of a line, counted from 1."""
        line = self.data.split(b"\n", number)[number - 1]
        return line.decode("utf-8", "replace").strip()[:_WIDTH]


@cache
def _language(grammar: str) -> Any:  # noqa: ANN401 - see Node
    library: Any = importlib.import_module("tree_sitter")
    module: Any = importlib.import_module(f"tree_sitter_{_module(grammar)}")
    make = f"language_{grammar}" if grammar in ("typescript", "tsx") else "language"
    return library.Language(getattr(module, make)())


def _module(grammar: str) -> str:
    return "typescript" if grammar == "tsx" else grammar


@cache
def _tags(grammar: str) -> Any:  # noqa: ANN401
    """The query for definitions; TypeScript's adds to JavaScript's."""
    library: Any = importlib.import_module("tree_sitter")
    names = ["javascript", "typescript"] if _module(grammar) == "typescript" else [grammar]
    queries: list[str] = []
    for name in names:
        module: Any = importlib.import_module(f"tree_sitter_{name}")
        queries.append(module.TAGS_QUERY)
    return library.Query(_language(grammar), "\n".join([*queries, _MORE.get(grammar, "")]))


def _parsed(path: str) -> Source | None:
    """A file's tree; None where there is nothing to be learnt from it."""
    grammar = _BY_ENDING.get(path.rpartition(".")[2])
    try:
        state = Path(path).stat()
        if grammar is None or not S_ISREG(state.st_mode) or state.st_size > _LARGEST:
            return None
        data = Path(path).read_bytes()
    except OSError:
        return None
    library: Any = importlib.import_module("tree_sitter")
    return Source(path, data, library.Parser(_language(grammar)).parse(data).root_node, grammar)


def _definitions(source: Source) -> list[Definition]:
    """All definitions of a file in their order."""
    library: Any = importlib.import_module("tree_sitter")
    found: dict[int, Definition] = {}
    for _, captures in library.QueryCursor(_tags(source.grammar)).matches(source.root):
        kinds = [kind for kind in captures if kind.startswith("definition.")]
        if not kinds or "name" not in captures:
            continue
        node, name = captures[kinds[0]][0], captures["name"][0]
        while node.type in _HEADS and node.parent is not None:
            node = node.parent
        found.setdefault(
            name.start_byte,
            Definition(
                name.text.decode("utf-8", "replace"),
                name.start_byte,
                node.start_byte,
                node.end_byte,
                name.start_point[0] + 1,
                node.end_point[0] + (node.end_point[1] > 0),
            ),
        )
    return sorted(found.values(), key=lambda item: (item.start, -item.end, item.at))


def _nested(definitions: list[Definition]) -> list[Definition]:
    """The outermost ones, each with what is inside of it."""
    tops: list[Definition] = []
    open_ones: list[Definition] = []
    for item in definitions:
        while open_ones and open_ones[-1].end < item.end:
            open_ones.pop()
        item.outer = open_ones[-1].name if open_ones else ""
        (open_ones[-1].inner if open_ones else tops).append(item)
        open_ones.append(item)
    return tops


def _uses(source: Source, name: str, besides: set[int]) -> Iterator[int]:
    """Lines where an identifier of this name stands that is none of the definitions."""
    raw = name.encode()
    for found in re.finditer(rb"(?<!\w)" + re.escape(raw) + rb"(?!\w)", source.data):
        node: Node = source.root.named_descendant_for_byte_range(found.start(), found.end())
        if node is None or (node.start_byte, node.end_byte) != found.span():
            continue
        if "identifier" in node.type and found.start() not in besides:
            yield node.start_point[0] + 1


def _files(path: str, name: str) -> list[str]:
    """The files to look at: those that hold the name, or all."""
    if not Path(path).is_dir():
        return [path]
    endings = ",".join(_BY_ENDING)
    what = ["-l", "-w", "-F", "-e", name] if name else ["--files"]
    command = [
        "rg", "--no-config", "--no-require-git", "--sort=path", "--null", "--type=ours",
        f"--type-add=ours:*.{{{endings}}}", *what, "--", path,
    ]  # fmt: skip
    listed = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    return [os.fsdecode(file) for file in listed.stdout.split(b"\0") if file]


def _sources(files: list[str], notes: list[str]) -> Iterator[Source]:
    """The trees of the files, as many as there is time for."""
    began = time.monotonic()
    for number, file in enumerate(files):
        if time.monotonic() - began > _SECONDS:
            notes.append(f"[looked at {number} of {len(files)} files only; name a smaller folder]")
            return
        source = _parsed(file)
        if source is not None:
            yield source


def _named(path: str, full: str) -> Iterator[str]:
    """Where a name is defined and where it is used."""
    outer, _, name = full.replace("::", ".").rpartition(".")
    notes: list[str] = []
    defined: list[str] = []
    used: list[str] = []
    for source in _sources(_files(path, name), notes):
        definitions = _definitions(source)
        _nested(definitions)
        same = [item for item in definitions if item.name == name]
        for item in same:
            line = source.line(item.first)
            # Go and C++ name the type before the name itself.
            around = (item.outer, *re.findall(r"\w+", line.partition(name)[0]))
            if not outer or outer.rpartition(".")[2] in around:
                within = f"  [in {item.outer}]" if item.outer else ""
                defined.append(f"{source.shown}:{item.first}-{item.last}:{line}{within}")
        lines = dict.fromkeys(_uses(source, name, {item.at for item in same}))
        used += [f"{source.shown}:{line}:{source.line(line)}" for line in lines]
    for title, lines in (("definitions", defined), ("references", used)):
        yield f"{title} ({len(lines)}):"
        yield from lines[:_MOST]
    yield from notes


def _outline(source: Source, items: list[Definition], depth: int = 0) -> Iterator[str]:
    """The definitions of a file, each with its lines."""
    for item in items:
        yield f"{'    ' * depth}{item.first}-{item.last}: {source.line(item.first)}"
        yield from _outline(source, item.inner, depth + 1)


def _map(path: str) -> Iterator[str]:
    """What the files of a folder define, a line for each."""
    notes: list[str] = []
    for source in _sources(_files(path, ""), notes):
        tops = _nested(_definitions(source))
        if tops:
            yield f"{source.shown}: {', '.join(map(_brief, tops))}"
    yield from notes


def _brief(item: Definition) -> str:
    inner = ", ".join(each.name for each in item.inner)
    return f"{item.name}({inner})" if inner else item.name


def _answer(path: str, names: list[str]) -> Iterator[str]:
    if names:
        return _named(path, names[0])
    if Path(path).is_dir():
        return _map(path)
    source = _parsed(path)
    return iter(()) if source is None else _outline(source, _nested(_definitions(source)))


def main() -> None:
    """Print the answer in UTF-8, whatever the files hold."""
    packages, path, *names = sys.argv[1:]
    sys.path.append(packages)
    if not os.path.lexists(path):
        sys.exit(2)
    for line in _answer(path, names):
        sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")


if __name__ == "__main__":
    main()
