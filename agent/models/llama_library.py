"""llama.cpp itself: its C API, its complaints, and GGUF files as it loads them."""

import ctypes
import os
from collections import deque
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.refused import Refused

_ERROR = 4
"""llama.cpp's log level."""
_KEPT: list[object] = []
_COMPLAINTS: deque[str] = deque(maxlen=8)
"""What llama.cpp said of errors lately; it is one per process, as its log is."""


@cache
def library() -> Any:  # noqa: ANN401 - the bindings are generated and mostly untyped
    """llama.cpp's C API, its log kept off the screen."""
    try:
        from llama_cpp import llama_cpp
    except ImportError as error:
        raise Refused(
            "Local models need llama-cpp-python: install this program with its `local` extra."
        ) from error

    @llama_cpp.llama_log_callback
    def listen(level: int, text: bytes, data: ctypes.c_void_p) -> None:
        if level == _ERROR:
            _COMPLAINTS.append(text.decode(errors="replace").strip())

    llama_cpp.llama_log_set(listen, ctypes.c_void_p(0))
    # The library keeps only a pointer: the callback must live as long as the process.
    _KEPT.append(listen)
    llama_cpp.llama_backend_init()
    return llama_cpp


def loaded(gguf: Path, gpu_layers: int = 0) -> Any:  # noqa: ANN401 - a C pointer
    """A model's weights, so many of its layers on a GPU.

    Raises:
        Refused: the file is missing or broken.
    """
    check(gguf)
    api = library()
    listen_anew()
    options = api.llama_model_default_params()
    options.n_gpu_layers = gpu_layers
    model = api.llama_model_load_from_file(os.fsencode(gguf), options)
    if not model:
        raise Refused(f"{gguf} cannot be loaded{reason()}: get the file again.")
    return model


def check(path: Path) -> None:
    """Refuse what is plainly no GGUF before llama.cpp sees it."""
    if not path.is_file():
        raise Refused(f"There is no file {path}: give the path of a GGUF file.")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise Refused(f"{path} is no GGUF file: give the path of one.")


def listen_anew() -> None:
    """Forget complaints: what `reason` tells is then of what follows."""
    _COMPLAINTS.clear()


def reason() -> str:
    """The first complaint, which is the cause; the later ones only pass it on."""
    if not _COMPLAINTS:
        return ""
    return f" ({_COMPLAINTS[0].rpartition(': ')[2].rstrip('.')})"
