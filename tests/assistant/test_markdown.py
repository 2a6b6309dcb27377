import re

from hypothesis import given
from hypothesis import strategies as st

from assistant.markdown import Markdown
from assistant.style import Style

CODE = '```python\ndef f():\n    """One\n    two."""\n    return 1\n```'


def rendered(text: str, colours: bool = True) -> list[str]:
    markdown = Markdown(Style(colours))
    return [markdown.line(line) for line in text.split("\n")]


def plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def test_code_keeps_its_text_and_is_coloured() -> None:
    lines = rendered(CODE)
    assert [plain(line) for line in lines] == CODE.split("\n")
    assert lines[1].startswith("\x1b[36mdef")
    # The second line of a string is known to be one, and every line ends its own colours.
    assert lines[3] == '\x1b[32m    two."""\x1b[0m'


def test_headings_and_spans() -> None:
    assert rendered("# Title") == ["\x1b[1m# Title\x1b[0m"]
    assert rendered("see `x*y` and **this**") == ["see \x1b[36mx*y\x1b[0m and \x1b[1mthis\x1b[0m"]


def test_a_fence_inside_of_a_longer_one_is_code() -> None:
    assert [plain(line) for line in rendered("````\n```\n`x`\n````\n`x`")][-3:] == [
        "`x`",
        "````",
        "x",
    ]


def test_an_unknown_language_is_plain() -> None:
    assert rendered("```klingon\nqapla\n```")[1] == "qapla"


@given(st.text(alphabet="`~*# abdef:()\n\"'", max_size=200))
def test_no_colours_no_escape_codes_and_nothing_but_marks_is_lost(text: str) -> None:
    coloured, bare = rendered(text), rendered(text, colours=False)
    assert not any("\x1b" in line for line in bare)
    assert [plain(line) for line in coloured] == bare
