"""Runs one of llama.cpp's conversion scripts: `python -P -m training.convert job.json`.

A tokenizer of our own is in no list of the converter's; it is told the rule that ours follows.
"""

import importlib
import importlib.util
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

from training.bpe import QWEN2
from training.stage import attached


def main() -> None:
    """Run the script with its own gguf library, not with the installed one."""
    with attached() as job:
        root = Path(str(job["root"]))
        os.environ["NO_LOCAL_GGUF"] = "1"
        sys.path[:0] = [str(root), str(root / "gguf-py")]
        _teach_pre_tokenizer()
        _spare_sentencepiece()
        sys.argv = [str(job["script"]), *map(str, job["arguments"])]
        runpy.run_path(str(root / str(job["script"])), run_name="__main__")


def _teach_pre_tokenizer() -> None:
    model: Any = importlib.import_module("conversion.base").TextModel
    known = model.get_vocab_base_pre

    def get_vocab_base_pre(self: object, tokenizer: Any) -> str:  # noqa: ANN401 - transformers'
        try:
            return known(self, tokenizer)
        except NotImplementedError:
            if QWEN2 in _rules(tokenizer):
                return "qwen2"
            raise

    model.get_vocab_base_pre = get_vocab_base_pre


def _spare_sentencepiece() -> None:
    """Let models without a `tokenizer.model` convert where sentencepiece is not installed.

    Some model classes look for that file first, and import the library before they look.
    """
    if importlib.util.find_spec("sentencepiece"):
        return
    model: Any = importlib.import_module("conversion.base").TextModel

    def absent(self: Any) -> None:  # noqa: ANN401 - the converter's
        path = self.dir_model / "tokenizer.model"
        if path.is_file():
            raise ModuleNotFoundError(f"{path} needs sentencepiece: pip install sentencepiece")
        raise FileNotFoundError(path)

    model._create_vocab_sentencepiece = absent


def _rules(tokenizer: Any) -> list[str]:  # noqa: ANN401 - transformers'
    """The regular expressions by which a tokenizer cuts text."""
    cut: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())["pre_tokenizer"] or {}
    parts: list[dict[str, Any]] = cut.get("pretokenizers", [cut])
    return [part.get("pattern", {}).get("Regex", "") for part in parts]


if __name__ == "__main__":
    main()
