"""The student's tokenizer: byte-level BPE, trained on the sources of the standard library."""

import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Where text is cut before merging; llama.cpp knows this rule as the pre-tokenizer `qwen2`."""
_BYTES = 6_000_000


def train(size: int, texts: Iterable[str] | None = None) -> "Tokenizer":
    """Train a tokenizer with at most `size` entries; the same texts give the same tokenizer.

    `texts`: None takes the sources of the standard library. There is no normaliser: llama.cpp has none for this kind of vocabulary either.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from tokenizers.processors import ByteLevel

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # It adds nothing; the converter reads off it that no BOS is wanted.
    tokenizer.post_processor = ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sources() if texts is None else texts, trainer)
    return tokenizer


def sources(characters: int = _BYTES) -> Iterator[str]:
    """Texts of the standard library in a fixed order, until there are about so many."""
    root = Path(sysconfig.get_paths()["stdlib"])
    skipped = {"site-packages", "dist-packages", "test", "tests", "idlelib", "encodings"}
    left = characters
    for path in sorted(root.rglob("*.py")):
        if skipped & set(path.relative_to(root).parts) or left <= 0:
            continue
        text = path.read_bytes().decode("utf-8", errors="ignore")
        left -= len(text)
        yield text
