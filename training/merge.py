"""Adapter into base, in a process of its own: `python -P -m training.merge job.json`.

The base is loaded in float32, never in 4 bits: weights that were rounded to NF4 do not come back.
"""

import shutil
from pathlib import Path
from typing import Any

from training.stage import attached

_COPIED = (
    *("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"),
    *("vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json"),
    *("tokenizer.model",),
)


def main() -> None:
    """Merge `adapter` into `base`; the folder `out` appears whole."""
    with attached() as job:
        merge(Path(str(job["base"])), Path(str(job["adapter"])), Path(str(job["out"])))


def merge(base: Path, adapter: Path, out: Path) -> None:
    """Merge in this process."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    merged: Any = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    merged.save_pretrained(part)
    # Copied, not saved anew: transformers would rewrite the tokenizer in its own newest form.
    for name in _COPIED:
        if (base / name).is_file():
            shutil.copyfile(base / name, part / name)
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)


if __name__ == "__main__":
    main()
