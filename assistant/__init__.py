"""The `assistant` command: its first lines keep the code of the folder it is started in out."""

import os
import sys

# The assistant runs inside other people's repositories, which may hold their own tools/ or agent/.
# Children must not inherit what is dropped here; an empty entry is the working directory.
_entries = {*os.environ.pop("PYTHONPATH", "").split(os.pathsep), ""}
try:
    _foreign = {os.path.realpath(p) for p in _entries} - {os.path.realpath(f"{__path__[0]}/..")}
    sys.path[:] = [p for p in sys.path if os.path.realpath(p) not in _foreign]
except FileNotFoundError:
    sys.stderr.write("assistant: this folder does not exist any more; change to another one.\n")
    sys.exit(2)
