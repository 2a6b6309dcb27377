"""The student's tokenizer: byte-level BPE, trained on the sources of the standard library."""

import json
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

    `texts`: None takes the sources of the standard library.
    """
    tokenizer = _empty(QWEN2)
    _fit(tokenizer, size, sources() if texts is None else texts)
    return tokenizer


def train_for_copying(size: int, texts: Sequence[str], joined: int) -> "Tokenizer":
    """The same, but a name is the same tokens whatever stands in front of it.

    Words are learnt without the space, dot or bracket before them, which the pre-tokenizer leaves
    at them; only the `joined` most frequent ones get a token with it. A small model that copies a
    name then copies the very tokens.
    """
    from tokenizers import Tokenizer

    split = _empty(QWEN2, r"\p{L}+")
    _fit(split, size - joined, texts)
    content = json.loads(split.to_str())
    content["pre_tokenizer"] = json.loads(_empty(QWEN2).to_str())["pre_tokenizer"]
    vocabulary, merges = content["model"]["vocab"], content["model"]["merges"]
    for first, word in _frequent(split, texts, joined):
        merges.append([first, word])
        vocabulary[first + word] = len(vocabulary)
    return Tokenizer.from_str(json.dumps(content))


def _frequent(split: "Tokenizer", texts: Sequence[str], count: int) -> list[tuple[str, str]]:
    """The most frequent pairs of a character and a word behind it, each one token by itself."""
    from tokenizers import Regex, pre_tokenizers

    cut: Any = pre_tokenizers.Split(Regex(QWEN2), "isolated")
    pieces = Counter(piece for text in texts for piece, _ in cut.pre_tokenize_str(text))
    counts: Counter[tuple[str, str]] = Counter()
    for piece, times in pieces.items():
        tokens = split.encode(piece).tokens
        if len(tokens) == 2 and piece[1:].isalpha() and not piece[0].isalpha():
            counts[tokens[0], tokens[1]] += times
    return [
        pair for pair, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:count]
    ]


def _empty(*cuts: str) -> "Tokenizer":
    """A tokenizer without a vocabulary. No normaliser: llama.cpp has none for this kind either."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.processors import ByteLevel

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            *(pre_tokenizers.Split(Regex(cut), "isolated") for cut in cuts),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    # It adds nothing; the converter reads off it that no BOS is wanted.
    tokenizer.post_processor = ByteLevel(trim_offsets=False)
    return tokenizer


def _fit(tokenizer: "Tokenizer", size: int, texts: Iterable[str]) -> None:
    from tokenizers import pre_tokenizers, trainers

    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)


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
