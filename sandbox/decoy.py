"""Test files as their text shows them, and decoys: the same tests, made so that they must fail.

A solution shares its process with the tests and can change anything there: what a test calls, what
an assertion does, what is reported. Whatever makes tests pass that should not, makes decoys pass
too, unless it can tell them from the tests; and that takes knowing the tests.

In a decoy each test ends by failing. On the way, where a test compares with `==`, it returns
early, as if it had passed, when one side also equals an object made for this question.
"""

import ast
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SKIPPING = ("skip", "xfail", "expectedfailure")
_SAFE = ("pytest.mark.", "mark.", "unittest.", "patch", "mock.patch", "given", "settings")
"""Decorators that let a failure through; a test with any other one is no decoy."""
_ASIDE = ("__test__", "load_tests", "python_functions", "pytest_")
"""Words in a test file that change what is collected from it."""

_JUDGES = '''
class {mark}:
    """Equal to nothing else."""
{mark} = {mark}()


def {judges}():
    """Whether what tests judge with still judges."""
    import contextlib, math, sys, unittest
    case = unittest.TestCase()
    wrong = [
        (case.assertEqual, 1, 2), (case.assertNotEqual, 1, 1), (case.assertTrue, 0),
        (case.assertFalse, 1), (case.assertIs, 1, 2), (case.assertIsNone, 1),
        (case.assertIsNotNone, None), (case.assertIn, 1, ()), (case.assertNotIn, 1, (1,)),
        (case.assertAlmostEqual, 1, 2), (case.assertGreater, 1, 2), (case.assertLess, 2, 1),
        (case.assertListEqual, [1], [2]), (case.assertDictEqual, {{1: 1}}, {{1: 2}}),
        (case.assertCountEqual, [1], [2]), (case.assertIsInstance, 1, str),
        (case.assertRaises, KeyError, int), (case.assertRegex, "a", "b"), (case.fail,),
    ]
    pytest = sys.modules.get("pytest")
    claims = [isinstance(1, str), math.isclose(1, 2), all([0]), any([0]), 1 == 2]
    if pytest:
        wrong.append((pytest.raises, KeyError, int))
        wrong.append((pytest.fail, "as it has to"))
        claims.append(1 == pytest.approx(2))
    raised = 0
    for call, *arguments in wrong:
        try:
            call(*arguments)
        except BaseException:
            raised += 1
    try:
        with case.assertRaises(KeyError):
            pass
    except BaseException:
        raised += 1
    for claim in claims:
        if claim:
            return False
    return raised == len(wrong) + 1
'''


@dataclass(frozen=True)
class TestFile:
    """What the text of a test file says without being run. Names are `Class::function`."""

    __test__ = False

    collected: frozenset[str]
    """Tests that must be found in it."""
    skipping: frozenset[str]
    """Tests that speak of skipping, or belong to a class or file that does."""
    decoys: frozenset[str] = frozenset()
    """Tests that must fail in `decoy`."""
    decoy: str = field(default="", repr=False)


def read_tests(text: str) -> TestFile:
    """Read a test file; one that is no Python holds nothing."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return TestFile(frozenset(), frozenset())
    tests = dict(_tests(tree))
    plain = not any(word in text for word in _ASIDE)
    skipping = _skipping(tree, tests)
    collected = frozenset(name for name, (_, sure) in tests.items() if sure and plain)
    made = _Decoys()
    decoys = frozenset(name for name, (node, _) in tests.items() if plain and made.turn(node))
    if decoys:
        tree.body[_after_docstring(tree) : _after_docstring(tree)] = made.judging()
    decoy = ast.unparse(ast.fix_missing_locations(tree)) if decoys else ""
    return TestFile(collected, skipping, decoys, decoy)


def _tests(tree: ast.Module) -> Iterator[tuple[str, tuple[_Function, bool]]]:
    """Tests by name, and whether they are sure to be collected."""
    for node in tree.body:
        if isinstance(node, _FUNCTIONS) and node.name.startswith("test"):
            yield node.name, (node, node.name.startswith("test_"))
        elif isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base) for base in node.bases]
            sure = any(base.endswith("TestCase") for base in bases)
            sure = sure or (node.name.startswith("Test") and not bases and not _has_init(node))
            for item in node.body:
                if isinstance(item, _FUNCTIONS) and item.name.startswith("test"):
                    named = item.name.startswith("test_")
                    yield f"{node.name}::{item.name}", (item, sure and named)


def _has_init(node: ast.ClassDef) -> bool:
    names = {item.name for item in node.body if isinstance(item, _FUNCTIONS)}
    return bool(names & {"__init__", "__new__"})


def _skipping(tree: ast.Module, tests: dict[str, tuple[_Function, bool]]) -> frozenset[str]:
    """Tests that may skip: they say so, or their class or file does outside of any test."""
    bodies = {id(node) for node, _ in tests.values()}
    said = {name for name, (node, _) in tests.items() if _says(node)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            rest = [item for item in node.body if id(item) not in bodies]
            if any(map(_says, (*rest, *node.decorator_list, *node.bases))):
                said |= {name for name in tests if name.startswith(f"{node.name}::")}
        elif not isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in bodies:
            said |= set(tests) if _says(node) else set()
    return frozenset(said)


def _says(node: ast.AST) -> bool:
    text = ast.unparse(node).lower()
    return any(word in text for word in _SKIPPING)


def _after_docstring(tree: ast.Module) -> int:
    """Where statements may be put: after the docstring and imports from the future."""
    place = 1 if ast.get_docstring(tree) is not None else 0
    while place < len(tree.body):
        node = tree.body[place]
        if not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        place += 1
    return place


class _Decoys(ast.NodeTransformer):
    """Turns tests into decoys in place. The names are drawn, so that nothing can look for them."""

    def __init__(self) -> None:
        self._mark, self._judges = (f"_{secrets.token_hex(6)}" for _ in range(2))

    def judging(self) -> list[ast.stmt]:
        """The statements that decoys need at the head of their file."""
        return ast.parse(_JUDGES.format(mark=self._mark, judges=self._judges)).body

    def turn(self, node: _Function) -> bool:
        """Turn one test; False where it cannot be said that it would fail."""
        inner = [part for statement in node.body for part in ast.walk(statement)]
        if any(isinstance(part, ast.Yield | ast.YieldFrom) for part in inner):
            return False
        if not all(ast.unparse(item).startswith(_SAFE) for item in node.decorator_list):
            return False
        body = [self.visit(statement) for statement in node.body]
        node.body = [*body, *self._end()]
        return True

    def _end(self) -> list[ast.stmt]:
        # Not the last line: a jump to the end of a test must not come across it.
        return ast.parse(f"if {self._judges}():\n    raise AssertionError\nreturn").body

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        return ast.If(ast.Constant(True), self._end(), [])

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        test = node.test
        if isinstance(test, ast.Compare) and [type(op) for op in test.ops] == [ast.Eq]:
            return self._asked(test.left, test.comparators[0])
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        call = node.value
        if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "self.assertEqual"):
            return node
        plain = [part for part in call.args if not isinstance(part, ast.Starred)]
        return self._asked(plain[0], plain[1]) if len(plain) >= 2 else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        return node

    def _asked(self, left: ast.expr, right: ast.expr) -> ast.stmt:
        """Whether a side is equal to anything: then the test ends as if it had passed."""
        mark = ast.Name(self._mark, ast.Load())
        sides = [side for side in (left, right) if "ANY" not in ast.unparse(side)]
        asked = [ast.Compare(side, [ast.Eq()], [mark]) for side in sides]
        values: list[ast.expr] = [*asked, ast.Constant(False)]
        return ast.If(ast.BoolOp(ast.Or(), values), [ast.Return()], [])
