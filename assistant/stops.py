"""Why a turn ended, in words for people."""

_WORDS = {
    "length": "the answer grew too long and was cut",
    "refusal": "the model refused to go on",
    "limit: context": "the conversation fills the model's window; /new begins another one",
    "limit: cost, no price known": "no price is known for the model, so limits.cost cannot be held",
    "limit: repeated calls": "the model asked for the same again and again",
    "limit: unreadable calls": "the model's tool calls could not be read",
}


def ended_early(stop: str) -> str:
    """The sentence for a stop reason that is not `end`."""
    limit = stop.removeprefix("limit: ")
    fallback = f"its limit on {limit} is used up" if limit != stop else stop
    return f"The turn ended early: {_WORDS.get(stop, fallback)}."
