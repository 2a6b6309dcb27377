"""Edits lead from the old file to one that means what the new one means."""

import ast

from hypothesis import given
from hypothesis import strategies as st

from distillation.edits import Edit, edits


def applied(text: str, found: list[Edit]) -> str:
    for edit in found:
        assert text.count(edit.search) == 1
        text = text.replace(edit.search, edit.replace)
    return text


def test_one_changed_line_is_one_edit_of_that_line() -> None:
    old = "def f(n):\n    if n:\n        n ^= n - 1\n    return n\n"
    assert edits(old, old.replace("^=", "&=")) == [
        Edit("        n ^= n - 1\n", "        n &= n - 1\n")
    ]


def test_context_is_added_until_the_place_is_unique() -> None:
    old = "def f(a):\n    a += 1\n    return a\n\n\ndef g(a):\n    a += 1\n    return a * 2\n"
    new = old.replace("    a += 1\n    return a * 2", "    a += 3\n    return a * 2")
    (edit,) = edits(old, new)
    assert applied(old, [edit]) == new
    assert edit.search.count("\n") > 1


def test_docstrings_and_comments_that_only_the_solution_lacks_stay() -> None:
    old = '# why\ndef f(n):\n    n += 1\n    return n\n\n\n"""\nWhat f does.\n"""\n'
    found = edits(old, "def f(n):\n    n -= 1\n    return n\n")
    assert found == [Edit("    n += 1\n", "    n -= 1\n")]


def test_a_file_that_changes_whole_is_written_whole() -> None:
    assert edits("def f():\n    pass\n", "import os\n\n\ndef f():\n    return os.sep\n") == []


LINES = st.lists(st.sampled_from(["a = 1\n", "b = a\n", "c = a + b\n", "# x\n", "\n"]), max_size=9)


def test_form_feeds_and_separators_are_no_line_ends() -> None:
    old = '"""a\x0cb\u2028c"""\nx = 1\ny = 2\nz = 3\n"""doc"""\n'
    found = edits(old, old.replace("y = 2", "y = 5"))
    assert found == [Edit("y = 2\n", "y = 5\n")]
    old = 'x = 1\nz = "\u2028"\ny = 2\n"""doc"""\n"""a\x0cb"""\n'
    new = old.replace("y = 2", '"""other\x1cdoc"""\ny = 3')
    assert applied(old, edits(old, new)) == old.replace("y = 2", "y = 3")


@given(LINES, LINES)
def test_applied_edits_mean_the_new_text(old: list[str], new: list[str]) -> None:
    before, after = "".join(old), "".join(new)
    if found := edits(before, after):
        assert ast.dump(ast.parse(applied(before, found))) == ast.dump(ast.parse(after))


@given(st.text(alphabet="ab\n\r \x0b", max_size=30), st.text(alphabet="ab\n\r \x0b", max_size=30))
def test_any_text(before: str, after: str) -> None:
    if found := edits(before, after):
        assert applied(before, found).split() == after.split()
