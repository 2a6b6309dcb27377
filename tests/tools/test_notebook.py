"""Python whose variables last."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.limits import Limits
from sandbox.sandbox import SandboxBroken
from tests.tools.live import live, use
from tools.notebook import run_python
from tools.tool import Context


@pytest.fixture
async def notebook(tmp_path: Path) -> AsyncIterator[Context]:
    async with live(tmp_path, Limits(seconds=20, memory_mb=600)) as context:
        yield context


async def _run(context: Context, code: str) -> str:
    return (await use(context, run_python, code=code)).text


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("1 + 1", "2\n[exit code 0]"),
        ("x = 1", "[exit code 0]"),
        ("None", "[exit code 0]"),
        ("print('no end', end='')", "no end\n[exit code 0]"),
        ("'é\\n' + chr(0x1f600)", "'é\\n😀'\n[exit code 0]"),
        ("import sys; sys.exit(3)", "[exit code 3]"),
        ("exit('why')", "why\n[exit code 1]"),
        ("def f(:", '  File "<cell 1>", line 1\n    def f(:\n          ^\n'
                    "SyntaxError: invalid syntax\n[exit code 1]"),
        ("__name__, __import__('sys').path[0]", "('__main__', '')\n[exit code 0]"),
        ("", "[exit code 0]"),
    ],
)  # fmt: skip
async def test_a_cell(notebook: Context, code: str, text: str) -> None:
    assert await _run(notebook, code) == text


async def test_what_was_defined_stays(notebook: Context) -> None:
    await _run(notebook, "import math\ndef double(x):\n    return 2 * x\nclass Point: pass\nn = 20")
    assert await _run(notebook, "double(n) + math.floor(1.5)") == "41\n[exit code 0]"
    assert await _run(notebook, "_ + 1") == "42\n[exit code 0]"
    copy = "import pickle; type(pickle.loads(pickle.dumps(Point()))) is Point"
    assert await _run(notebook, copy) == "True\n[exit code 0]"


async def test_tracebacks_are_short_and_without_our_frames(notebook: Context) -> None:
    await _run(notebook, "def divide(x):\n    return 1 / x\nvalue = 5")
    shown = await _run(notebook, "value = 6\ndivide(0)")
    assert shown.startswith('Traceback (most recent call last):\n  File "<cell 2>", line 2, in')
    assert '  File "<cell 1>", line 2, in divide\n    return 1 / x\n' in shown
    assert shown.endswith("ZeroDivisionError: division by zero\n[exit code 1]")
    assert "notebook.py" not in shown
    assert await _run(notebook, "value") == "6\n[exit code 0]"
    deep = await _run(notebook, "def f(): f()\nf()")
    assert "RecursionError" in deep
    assert len(deep) < 1000


async def test_output_comes_in_its_order(notebook: Context) -> None:
    code = (
        "import sys, os\nprint('a')\nprint('b', file=sys.stderr)\nos.system('echo c')\n"
        "os.write(1, b'd\\n')\nprint('e', end='')\n'f'"
    )
    assert await _run(notebook, code) == "a\nb\nc\nd\ne'f'\n[exit code 0]"


async def test_no_input_is_there_and_nothing_a_cell_closes_stays_closed(notebook: Context) -> None:
    assert "EOFError" in await _run(notebook, "input()")
    await _run(notebook, "exit()")
    assert "EOFError" in await _run(notebook, "input()")
    await _run(notebook, "import os; os.close(1); os.close(2)")
    assert await _run(notebook, "print('heard')") == "heard\n[exit code 0]"


async def test_a_forked_child_does_not_go_on_as_the_notebook(notebook: Context) -> None:
    await _run(notebook, "import os\nchild = os.fork()\nif child: os.waitpid(child, 0)")
    assert await _run(notebook, "child > 0") == "True\n[exit code 0]"


async def test_long_output_is_cut(notebook: Context) -> None:
    observation = await use(notebook, run_python, code="print('x' * 10**6)\n'end'")
    assert observation.truncated
    assert "'end'\n[exit code 0; to see what was cut, print less]" in observation.text
    assert len(observation.text) < 8200
    assert await _run(notebook, "1") == "1\n[exit code 0]"


async def test_the_workspaces_code_is_imported_and_imported_anew_when_it_changed(
    notebook: Context,
) -> None:
    (notebook.root / "base.py").write_text("value = 1\n")
    (notebook.root / "top.py").write_text("from base import value\n")
    (notebook.root / "json.py").write_text("theirs = True\n")
    assert await _run(notebook, "import top; top.value") == "1\n[exit code 0]"
    (notebook.root / "base.py").write_text("value = 22\n")
    shown = await _run(notebook, "import top; top.value")
    assert shown == "[changed since the last call, import again: base]\n22\n[exit code 0]"
    assert await _run(notebook, "import top; top.value") == "22\n[exit code 0]"


async def test_figures_become_files(notebook: Context) -> None:
    # As little of matplotlib as is asked of it.
    package = notebook.root / "matplotlib"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "pyplot.py").write_text(
        "import os\nopen_ = []\n"
        "class Figure:\n    def savefig(self, path): open(path, 'w').write('picture')\n"
        "def plot(): open_.append(len(open_) + 1)\n"
        "def get_fignums(): return list(open_)\ndef figure(n): return Figure()\n"
        "def close(figure): open_.pop()\n"
    )
    (notebook.root / "figure-1.png").touch()
    code = "import os, matplotlib.pyplot as plt\nplt.plot(); plt.plot()\nos.environ['MPLBACKEND']"
    assert await _run(notebook, code) == (
        "'Agg'\n[picture: figure-2.png]\n[picture: figure-3.png]\n[exit code 0]"
    )
    assert (notebook.root / "figure-3.png").read_text() == "picture"
    assert await _run(notebook, "1") == "1\n[exit code 0]"


@pytest.mark.parametrize("end", ["import os; os._exit(7)", "import os; os.kill(os.getpid(), 9)"])
async def test_a_cell_that_ends_the_interpreter_says_so(notebook: Context, end: str) -> None:
    await _run(notebook, "x = 1")
    shown = await _run(notebook, f"print('last words', flush=True)\n{end}")
    assert shown.startswith("last words\n[the interpreter has ended (")
    assert shown.endswith("): all variables are lost]")
    assert "NameError" in await _run(notebook, "x")


async def test_an_interpreter_that_died_between_two_cells(notebook: Context) -> None:
    pid = await _run(notebook, "import os; x = 1; os.getpid()")
    await notebook.sandbox.run(["kill", "-9", pid.split("\n")[0]])
    # Its end may be known before the cell is sent, or after.
    assert "(killed by signal 9): all variables are lost]" in await _run(notebook, "x = 2")
    assert await _run(notebook, "1") == "1\n[exit code 0]"


async def test_too_much_memory(notebook: Context) -> None:
    shown = await _run(notebook, "import time\nb = bytearray(900 * 2**20)\ntime.sleep(10)")
    assert "killed: more than 600 MB of memory" in shown
    assert await _run(notebook, "1") == "1\n[exit code 0]"


async def test_a_cell_that_takes_too_long_is_interrupted_and_variables_stay(tmp_path: Path) -> None:
    async with live(tmp_path, Limits(seconds=1)) as context:
        while await _run(context, "1") != "1\n[exit code 0]":
            pass  # A busy machine may need longer than that to start Python.
        shown = await _run(context, "x = 1\nimport time\nprint('begun')\ntime.sleep(60)")
        assert shown.startswith("begun\nTraceback")
        assert shown.endswith("KeyboardInterrupt\n[stopped after 1 s; variables are kept]")
        assert await _run(context, "x") == "1\n[exit code 0]"
        stubborn = (
            "while True:\n    try:\n        time.sleep(9)\n    except BaseException: print(1)"
        )
        assert (await _run(context, stubborn)) == "1\n[stopped after 1 s; all variables are lost]"
        assert "NameError" in await _run(context, "x")


async def test_an_interrupted_turn_stops_the_code_and_keeps_the_variables(
    notebook: Context,
) -> None:
    code = "x = 1\nimport time\nopen('begun', 'w')\ntime.sleep(60)\nopen('never', 'w')"
    running = asyncio.create_task(_run(notebook, code))
    while not (notebook.root / "begun").exists():
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await _run(notebook, "x") == "1\n[exit code 0]"
    assert not (notebook.root / "never").exists()


async def test_a_sandbox_that_breaks_is_no_failed_cell(notebook: Context) -> None:
    await _run(notebook, "x = 1")
    running = asyncio.create_task(_run(notebook, "import time; time.sleep(60)"))
    await asyncio.sleep(0.3)
    await notebook.sandbox.close()
    with pytest.raises(SandboxBroken):
        await running


async def test_a_new_conversation_has_no_variables(notebook: Context) -> None:
    await _run(notebook, "x = 1")
    await notebook.memory.close()
    assert "NameError" in await _run(notebook, "x")


async def test_a_cell_that_knows_the_mark_says_no_more_with_it_than_a_status(
    notebook: Context,
) -> None:
    code = (
        "import os, sys\nframe = sys._getframe()\n"
        "while 'order' not in frame.f_locals: frame = frame.f_back\n"
        "mark = frame.f_locals['order']['mark']\n"
        "os.write(1, f'\\n{mark} '.encode() + b'x' * 50_000 + b'\\n')"
    )
    shown = await _run(notebook, code)
    assert shown.endswith(f"{'x' * 100}\n50035\n[exit code 0; to see what was cut, print less]")
