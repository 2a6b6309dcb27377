"""Definitions and references, found inside the sandbox."""

import os

import pytest

from tests.tools.calling import Call
from tools.tool import Context

_PYTHON = """\
\"\"\"area is said here, and by nobody in code.\"\"\"

LIMIT = 3


class Shape:
    def area(self) -> int:
        return LIMIT  # area

    def twice(self):
        return self.area() * 2


def area(shape: Shape) -> str:
    return "area" + str(shape.area())
"""


async def test_a_file_is_outlined(context: Context, call: Call) -> None:
    (context.root / "shape.py").write_text(_PYTHON)
    assert (await call("symbols", path="shape.py")).text.splitlines() == [
        "3-3: LIMIT = 3",
        "6-11: class Shape:",
        "    7-8: def area(self) -> int:",
        "    10-11: def twice(self):",
        "14-15: def area(shape: Shape) -> str:",
    ]


async def test_a_folder_is_outlined_in_a_line_for_each_file(context: Context, call: Call) -> None:
    (context.root / "pkg").mkdir()
    (context.root / "pkg/shape.py").write_text(_PYTHON)
    (context.root / "pkg/odd\nname.js").write_text("export function f() {}\n")
    (context.root / "ignored.py").write_text("x = 1\n")
    (context.root / "notes.md").write_text("# nothing\n")
    (context.root / ".gitignore").write_text("ignored.py\n")
    lines = ["pkg/odd\\nname.js: f", "pkg/shape.py: LIMIT, Shape(area, twice), area"]
    assert (await call("symbols")).text.splitlines() == lines
    assert (await call("symbols", path="/workspace/pkg")).text.splitlines() == lines
    assert "[nothing is defined in notes.md" in (await call("symbols", path="notes.md")).text


async def test_uses_are_code_and_nothing_else(context: Context, call: Call) -> None:
    (context.root / "shape.py").write_text(_PYTHON)
    (context.root / "use.py").write_text(
        "from shape import area\n# area\nareas = area(1)\n'area'\n"
    )
    assert (await call("symbols", name="area")).text.splitlines() == [
        "definitions (2):",
        "shape.py:7-8:def area(self) -> int:  [in Shape]",
        "shape.py:14-15:def area(shape: Shape) -> str:",
        "references (4):",
        "shape.py:11:return self.area() * 2",
        'shape.py:15:return "area" + str(shape.area())',
        "use.py:1:from shape import area",
        "use.py:3:areas = area(1)",
    ]
    found = (await call("symbols", name="Shape.area", path="shape.py")).text
    assert found.startswith("definitions (1):\nshape.py:7-8:")
    nowhere = (await call("symbols", name="nowhere")).text
    assert nowhere == "definitions (0):\nreferences (0):"


@pytest.mark.parametrize(
    ("file", "code", "name", "defined", "used"),
    [
        ("a.js", "class A { f() {} }\nconst g = () => new A().f();\n", "f", 1, 2),
        ("a.jsx", "const V = () => <p/>;\nconst w = <V/>;\n", "V", 1, 2),
        ("a.ts", "interface A { f(): T }\ntype T = number;\nlet t: T = 1;\n", "T", 2, 3),
        ("a.tsx", "enum E { A }\nconst x = <p>{E.A}</p>;\n", "E", 1, 2),
        ("a.go", "package a\nfunc (s *S) F() {}\nfunc g(s S) { s.F() }\n", "S.F", 2, 3),
        ("a.rs", "struct S;\nimpl S {\n fn f(&self) {}\n}\nfn g(s: S) { s.f() }\n", "S.f", 3, 5),
        ("A.java", "class A {\n int f() { return 1; }\n int g() { return f(); }\n}\n", "f", 2, 3),
        ("a.c", "#define N 1\nint f(int a) { return N; }\nint b = N;\n", "N", 1, 3),
        ("a.cpp", "struct A { int f(); };\nint A::f() {}\nint x = A().f();\n", "f", 2, 3),
        ("a.h", "class A {\n int f() { return 1; }\n};\nA a;\n", "A", 1, 4),
    ],
)  # fmt: skip
async def test_languages(
    context: Context, call: Call, file: str, code: str, name: str, defined: int, used: int
) -> None:
    (context.root / file).write_text(code)
    text = (await call("symbols", name=name)).text
    definitions, _, references = text.partition("references")
    assert f"\n{file}:{defined}-" in definitions
    assert f"\n{file}:{used}:" in references


async def test_what_cannot_be_read(context: Context, call: Call) -> None:
    os.mkfifo(context.root / "pipe.py")
    (context.root / "broken.py").write_bytes(b"def f(:\n\xff\0class \xff\n\ndef g(): pass\n")
    (context.root / "large.py").write_bytes(b"x = 1\n" * 400_000)
    assert "4-4: def g(): pass" in (await call("symbols", path="broken.py")).text
    for name in ("pipe.py", "large.py"):
        assert "[nothing is defined in" in (await call("symbols", path=name)).text
    for path, problem in (("missing", "There is no file missing"), ("../x", "leads out")):
        observation = await call("symbols", path=path)
        assert (observation.ok, problem in observation.text) == (False, True)
    assert "must not hold a NUL" in (await call("symbols", name="a\0b")).text


async def test_the_workspace_gives_no_code_to_the_script(context: Context, call: Call) -> None:
    for name in ("re.py", "tree_sitter.py", "sitecustomize.py"):
        (context.root / name).write_text("raise SystemExit('taken over')\n")
    assert (await call("symbols", path="re.py")).text.startswith("[nothing is defined")
    assert (await call("symbols", name="SystemExit")).text.startswith("definitions (0):")
