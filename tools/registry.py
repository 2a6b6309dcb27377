"""The tools that every agent has."""

from tools.edit import edit_file
from tools.files import list_files, read_file, write_file
from tools.search import search
from tools.shell import run_python, shell
from tools.tool import Tool


def default_tools() -> tuple[Tool, ...]:
    """In the order in which models are shown them, which never changes."""
    return (read_file, write_file, edit_file, list_files, search, shell, run_python)
