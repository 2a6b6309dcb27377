"""Rows that a narrower terminal has broken are erased whole."""

import asyncio
import io
import re
from collections.abc import Mapping

import pytest
from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Size
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.layout import FormattedTextControl, Layout, Window

from assistant.reflow import ReflowingOutput, reflows

UP = re.compile(r"\x1b\[(\d*)A")


@pytest.mark.parametrize(
    ("columns", "up"),
    # 25 and 5 characters above the cursor, which stands behind the 12th of its row.
    [(40, 0), (30, 0), (20, 1), (12, 3), (5, 6)],
)
async def test_the_cursor_goes_to_where_the_drawing_begins(
    monkeypatch: pytest.MonkeyPatch, columns: int, up: int
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("XTERM_VERSION", raising=False)
    stream, size = io.StringIO(), [Size(rows=24, columns=30)]
    output = ReflowingOutput(stream, lambda: size[0], "xterm-256color", enable_cpr=False)
    text: StyleAndTextTuples = [
        ("", "s" * 25 + "\nshort\n" + "c" * 12),
        ("[SetCursorPosition]", " "),
    ]
    with create_pipe_input() as keys:
        window = Window(FormattedTextControl(text, focusable=True, show_cursor=True))
        app: Application[str] = Application(Layout(window), input=keys, output=output)

        moved = list[int]()

        def leave() -> None:
            size[0] = Size(rows=24, columns=columns)
            stream.truncate(0)
            app.renderer.erase()
            moved.extend(int(n or 1) for n in UP.findall(stream.getvalue()))
            app.exit(result="")

        def drawn(app: "Application[str]") -> None:
            if not app.is_done:
                output.note(app)
                asyncio.get_running_loop().call_soon(leave)

        app.after_render += drawn
        await app.run_async()
    # Two rows as ever, and what was broken.
    assert sum(moved) == 2 + up


@pytest.mark.parametrize(
    ("environ", "does"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux"}, True),
        ({"TERM": "screen"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "xterm", "XTERM_VERSION": "XTerm(379)"}, False),
    ],
)
def test_terminals_that_cut_rows_are_left_alone(environ: Mapping[str, str], does: bool) -> None:
    assert reflows(environ) == does
