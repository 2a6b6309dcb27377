"""The tools that an agent has."""

from typing import Literal

from tools import compact, notebook, terminal
from tools.docs import docs
from tools.edit import edit_file, edit_files
from tools.files import list_files, read_file, write_file
from tools.glob import glob
from tools.jobs import read_job, start_job, stop_job
from tools.run_tests import run_tests
from tools.search import search
from tools.shell import run_python, shell
from tools.symbols import symbols
from tools.tool import Tool
from tools.turn import ask_user, finish, plan

Profile = Literal["compact", "full"]
"""`compact`: seven tools that keep nothing between calls, for small local models; the student and
the reference teacher know no others. `full`: everything."""

_COMPACT = (
    compact.read_file, write_file, edit_file, list_files, compact.search, shell, run_python,
)  # fmt: skip
_FULL = (
    read_file, write_file, edit_file, edit_files, list_files, glob, search, symbols,
    terminal.shell, start_job, read_job, stop_job, notebook.run_python, run_tests, docs,
    plan, ask_user, finish,
)  # fmt: skip


def default_tools(profile: Profile = "compact") -> tuple[Tool, ...]:
    """In the order in which models are shown them, which never changes."""
    return _COMPACT if profile == "compact" else _FULL
