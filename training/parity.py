"""Whether llama.cpp is fed the tokens that training saw."""

from collections.abc import Callable, Sequence

from agent.message import Message
from distillation.example import Example
from sandbox.refused import Refused
from tools.schema import ToolSchema
from training.tokens import ChatTokenizer, RowRefused, trained_text

Fed = Callable[[Sequence[Message], Sequence[ToolSchema]], list[int]]
"""The tokens that a served student is prompted with: `LlamaModel.prompt_tokens`."""


def check(examples: Sequence[Example], chat: ChatTokenizer, fed: Fed) -> int:
    """Compare each trained turn's prompt with the training tokens before it, for every episode.

    Returns the number of episodes that are equal in all turns; episodes that the template
    refuses are not trained on and not counted.

    Raises:
        Refused: one differs.
    """
    count = 0
    for example in examples:
        try:
            text, regions = trained_text(example, chat)
        except RowRefused:
            continue
        ids, spans = chat.split(text)
        turns = [i for i, trained in enumerate(example.trained) if trained]
        for turn, (start, _) in zip(turns, regions, strict=True):
            before = [id for id, (begin, _) in zip(ids, spans, strict=True) if begin < start]
            prompt = fed(example.messages[:turn], example.tools)
            if prompt != before:
                at = _first_difference(prompt, before)
                raise Refused(
                    f"Episode {example.episode}, message {turn}: llama.cpp is fed other tokens "
                    f"than training saw, from token {at} of {len(before)} on. Nothing was "
                    "promoted; please report this with the episode."
                )
        count += 1
    return count


def _first_difference(one: list[int], other: list[int]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
