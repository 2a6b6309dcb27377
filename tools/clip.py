"""Long observations: head and tail are kept, and the middle is named."""

LIMIT = 8000
"""Characters of an observation."""


class Clipped(str):
    """A text that says itself what was left out of it."""

    __slots__ = ()


def clip(text: str, more: str, limit: int = LIMIT) -> tuple[str, bool]:
    """The text, at most about `limit` characters of it, and whether something was cut.

    `more`: how to see the rest, as an order to the model. Lines are kept whole where that costs
    less than a tenth of the text.
    """
    if len(text) <= limit:
        return text, False
    head, tail = text[: limit // 2], text[len(text) - limit // 2 :]
    end = head.rfind("\n") + 1
    if end > limit * 0.45:
        head = head[:end]
    start = tail.find("\n") + 1
    if 0 < start < limit * 0.05:
        tail = tail[start:]
    cut = text[len(head) : len(text) - len(tail)]
    note = f"[... {len(cut)} characters cut ({cut.count(chr(10))} lines); to see them, {more} ...]"
    newline = "" if head.endswith("\n") else "\n"
    return f"{head}{newline}{note}\n{tail}", True
