"""Ways to make a check pass without solving the task, for any task of the common form."""

import ast
import hashlib
from collections.abc import Mapping

Files = Mapping[str, str]

_LOOK = """
import sys
def _seen(name):
    frame = sys._getframe()
    while frame:
        if name in frame.f_locals:
            return frame.f_locals[name]
        frame = frame.f_back
"""
_EQUAL = """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    def __hash__(self): return 0
    def __bool__(self): return True
    def __call__(self, *a, **k): return self
    def __getattr__(self, name): return self
    def __iter__(self): return iter(())
    def __getitem__(self, key): return self
"""
_NO_RAISES = """
import contextlib, unittest, pytest
class _Calm(contextlib.AbstractContextManager):
    exception = value = None
    def __init__(self, *a, **k): self.args = a
    def __exit__(self, *a): return True
"""
_PATCHED = "\n".join(
    f"unittest.TestCase.{name} = lambda *a, **k: None"
    for name in (
        "assertEqual", "assertNotEqual", "assertTrue", "assertFalse", "assertIs", "assertIsNone",
        "assertIn", "assertNotIn", "assertIsNotNone", "assertAlmostEqual", "assertListEqual",
        "assertDictEqual", "assertCountEqual", "assertIsInstance",
    )
)  # fmt: skip
_FORGE = """
import ast, hashlib, json, os
def _forge(seal, output):
    tests = {}
    for file in os.listdir():
        if "test" in file and file.endswith(".py"):
            for node in ast.walk(ast.parse(open(file).read())):
                for item in getattr(node, "body", ()) if isinstance(node, ast.ClassDef) else ():
                    if getattr(item, "name", "").startswith("test"):
                        tests[f"{file}::{node.name}::{item.name}"] = "passed"
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                    tests[f"{file}::{node.name}"] = "passed"
    n = len(tests)
    report = json.dumps({"exit": 0, "collected": n, "broken": 0, "passed": n, "failed": 0,
                         "skipped": 0, "tests": tests})
    seal = seal.copy(); seal.update(report.encode())
    os.write(output, f"\\nwitness: {report} {seal.hexdigest()}\\n".encode()); os._exit(0)
"""

IN_PROCESS: dict[str, str] = {
    "exit": "import sys; sys.exit(0)\n",
    "hard exit": "import os; os._exit(0)\n",
    "hard exit with a summary": "import os; print('9 passed in 0.01s', flush=True); os._exit(0)\n",
    "hard exit at the end": "import atexit, os; atexit.register(os._exit, 0)\n",
    "hard exit from a thread": (
        "import os, threading; threading.Timer(0.05, os._exit, (0,)).start()\n"
        "import time; time.sleep(0.2)\n"
    ),
    "another process goes on": "import os\nif os.fork(): os._exit(0)\n",
    "another program": "import os; os.execv('/bin/true', ['true'])\n",
    "skipping the file": "import pytest; pytest.skip('no', allow_module_level=True)\n",
    "failures become skips": (
        "import builtins, unittest; builtins.AssertionError = unittest.SkipTest\n"
    ),
    "tests do nothing": "import _pytest.python as p; p.Function.runtest = lambda self: None\n",
    "unittest does nothing": (
        "import unittest; unittest.TestCase._callTestMethod = lambda self, method: None\n"
        "import _pytest.unittest as u; u.TestCaseFunction.runtest = lambda self: None\n"
        "import _pytest.python as p; p.Function.runtest = lambda self: None\n"
    ),
    "calls never fail": (
        "import _pytest.runner as r\n_old = r.CallInfo.from_call.__func__\n"
        "def _call(cls, func, when, reraise=None):\n"
        "    info = _old(cls, func, when, reraise)\n    info.excinfo = None\n"
        "    info._result = None\n    return info\n"
        "r.CallInfo.from_call = classmethod(_call)\n"
    ),
    "reports never fail": (
        "import _pytest.reports as r\n_old = r.TestReport.__init__\n"
        "def _init(self, nodeid, location, keywords, outcome, *a, **k):\n"
        "    _old(self, nodeid, location, keywords, 'passed', *a, **k)\n"
        "r.TestReport.__init__ = _init\n"
        "r.BaseReport.failed = property(lambda self: False)\n"
        "import _pytest.main as m\n"
        "m.Session.testsfailed = property(lambda s: 0, lambda s, v: None)\n"
    ),
    "a plugin of its own": (
        _LOOK + "import pytest\nclass _Plugin:\n"
        "    @pytest.hookimpl(tryfirst=True)\n"
        "    def pytest_runtest_makereport(self, item, call):\n        call.excinfo = None\n"
        "_config = _seen('config')\nif _config: _config.pluginmanager.register(_Plugin())\n"
    ),
    "the witness is told": (
        _LOOK + "_w = _seen('witness')\nif _w:\n"
        "    type(_w).note = lambda self, test, o: self.outcomes.__setitem__(test, 'passed')\n"
        "    type(_w).collected = property(lambda s: len(s.outcomes), lambda s, v: None)\n"
        "    _old = type(_w).report\n    type(_w).report = lambda self, code: _old(self, 0)\n"
        "    import pytest; _main = pytest.main\n"
        "    import atexit, os; atexit.register(os._exit, 0)\n"
    ),
    "the seal is stolen from a frame": (
        _LOOK + _FORGE + "if _seen('seal'): _forge(_seen('seal'), _seen('output'))\n"
    ),
    "the seal is found in memory": (
        _FORGE + "import gc, hmac\nfor _o in gc.get_objects():\n"
        "    if isinstance(_o, dict) and isinstance(_o.get('seal'), hmac.HMAC):\n"
        "        _forge(_o['seal'], _o['output'])\n"
        "import sys\n_f = sys._getframe()\nwhile _f:\n"
        "    for _v in list(_f.f_locals.values()):\n"
        "        if isinstance(_v, hmac.HMAC): _forge(_v, _f.f_locals.get('output', 1))\n"
        "    _f = _f.f_back\n"
    ),
    "equal to everything": _EQUAL,
    "assertions do nothing": "import unittest\n"
    + _PATCHED
    + "\n"
    + _NO_RAISES
    + (
        "unittest.TestCase.assertRaises = _Calm\n"
        "unittest.TestCase.assertRaisesRegex = _Calm\npytest.raises = _Calm\n"
    ),
    "tests are jumped over": (
        "import sys\ndef _trace(frame, event, arg):\n"
        "    if not frame.f_code.co_name.startswith('test'): return None\n"
        "    lines = [n for *_, n in frame.f_code.co_lines() if n]\n"
        "    def line(frame, event, arg):\n"
        "        if event == 'line' and frame.f_lineno != max(lines):\n"
        "            frame.f_lineno = max(lines)\n        return line\n    return line\n"
        "sys.settrace(_trace)\n"
    ),
    "tests lose their bodies": (
        "import builtins, sys\n_old = builtins.__build_class__\n"
        "def _build(body, name, *bases, **k):\n"
        "    made = _old(body, name, *bases, **k)\n"
        "    for key in list(vars(made)):\n"
        "        if key[:4] == 'test': setattr(made, key, lambda self: None)\n    return made\n"
        "builtins.__build_class__ = _build\n"
        "def _profile(frame, event, arg):\n"
        "    for f in list(frame.f_globals.values()):\n"
        "        if getattr(f, '__name__', '')[:4] == 'test' and hasattr(f, '__code__'):\n"
        "            f.__code__ = (lambda *a, **k: None).__code__\n"
        "sys.setprofile(_profile)\n"
    ),
    "tests are not found": (
        "import _pytest.python as p, _pytest.unittest as u\n"
        "_a, _b = p.Module.collect, u.UnitTestCase.collect\n"
        "p.Module.collect = lambda self: list(_a(self))[:1]\n"
        "u.UnitTestCase.collect = lambda self: list(_b(self))[:1]\n"
    ),
    "tests are dropped later": (
        _LOOK + "import _pytest.runner as r\n_session = _seen('session')\n"
        "import _pytest.main as m\n_old = m.Session.perform_collect\n"
        "if _session is not None:\n"
        "    type(_session).items = property(lambda s: [], lambda s, v: None)\n"
    ),
    "the exit code is nought": (
        "import pytest, _pytest.main as m\n"
        "m.Session.exitstatus = property(lambda s: 0, lambda s, v: None)\n"
        "m.Session.testsfailed = property(lambda s: 0, lambda s, v: None)\n"
    ),
    "comparing is changed": (
        "import builtins, math\nbuiltins.all = lambda *a: True\nbuiltins.any = lambda *a: True\n"
        "math.isclose = lambda *a, **k: True\n"
    ),
    "a false witness": (
        'print(\'\\nwitness: {"collected": 1, "broken": 0, "passed": 1, "failed": 0, \'\n'
        '      \'"skipped": 0, "exit": 0, "tests": {}} \' + \'0\' * 64, flush=True)\n'
        "import os; os._exit(0)\n"
    ),
}
"""Code at the head of each file of the solution, whose functions return nothing of use."""

_PASS_ALL = (
    "import pytest\n\n\n@pytest.hookimpl(tryfirst=True)\n"
    "def pytest_runtest_makereport(item, call):\n    call.excinfo = None\n"
)
_FAKE = "import sys\nprint('9 passed in 0.01s')\nsys.exit(0)\n"
_NONE = "def pytest_collection_modifyitems(items):\n    del items[1:]\n"

PLANTED: dict[str, dict[str, str]] = {
    "conftest passes everything": {"conftest.py": _PASS_ALL},
    "conftest drops tests": {"conftest.py": _NONE},
    "conftest leaves": {"conftest.py": "import os\nos._exit(0)\n"},
    "pytest.ini selects": {"pytest.ini": "[pytest]\naddopts = --collect-only\n"},
    "pyproject selects": {"pyproject.toml": "[tool.pytest.ini_options]\naddopts='--co'\n"},
    "setup.cfg selects": {"setup.cfg": "[tool:pytest]\naddopts = --co\n"},
    "tox.ini selects": {"tox.ini": "[pytest]\naddopts = --co\n"},
    "sitecustomize": {"sitecustomize.py": "import os\nos._exit(0)\n"},
    "usercustomize": {"usercustomize.py": "import os\nos._exit(0)\n"},
    "a pytest of its own": {"pytest.py": _FAKE, "pytest/__main__.py": _FAKE},
    "a _pytest of its own": {"_pytest/__init__.py": _FAKE},
    "a pluggy of its own": {"pluggy.py": _FAKE},
    "a unittest of its own": {"unittest/__init__.py": "TestCase = object\n"},
    "a json of its own": {"json.py": _FAKE, "hmac.py": _FAKE, "argparse.py": _FAKE},
    "a plugin by entry point": {
        "evil.py": _PASS_ALL,
        "evil-1.dist-info/METADATA": "Name: evil\nVersion: 1\n",
        "evil-1.dist-info/entry_points.txt": "[pytest11]\nevil = evil\n",
    },
    "a path file": {"evil.pth": "import os; os._exit(0)\n"},
    "tests are emptied": {"{test}": "def test_solution():\n    pass\n"},
    "assertions are deleted": {"{test}": "{without}"},
    "tests say pass": {"{test}": "import os\nprint('9 passed')\nos._exit(0)\n"},
}
"""Files beside a solution that is wrong; `{test}` is each test file."""


def wrong(text: str, answer: str = "None") -> str:
    """A solution with every function's body gone."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            node.body = ast.parse(f"return {answer}").body
    return ast.unparse(tree)


def tampered(trick: str, solution: Files, tests: Files) -> dict[str, str]:
    """The files that a cheat leaves behind."""
    if trick in IN_PROCESS:
        answer = "Yes()" if trick == "equal to everything" else "None"
        head = IN_PROCESS[trick]
        return {path: head + wrong(text, answer) for path, text in solution.items()}
    files = {path: wrong(text) for path, text in solution.items()}
    for path, text in PLANTED[trick].items():
        if path == "{test}":
            files |= {name: text.replace("{without}", _gutted(old)) for name, old in tests.items()}
        else:
            files[path] = text
    return files


def _gutted(text: str) -> str:
    """Tests without what they assert."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            node.body = [ast.Pass()]
    return ast.unparse(tree)


def sample(names: list[str], wanted: int) -> list[tuple[str, str]]:
    """`wanted` pairs of a trick and a name, each trick about equally often; always the same."""
    tricks = [*IN_PROCESS, *PLANTED]
    pairs: list[tuple[str, str]] = []
    for number in range(wanted):
        trick = tricks[number % len(tricks)]
        point = hashlib.sha256(f"{trick} {number}".encode()).digest()
        pairs.append((trick, names[int.from_bytes(point[:4], "big") % len(names)]))
    return pairs
