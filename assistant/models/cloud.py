"""Models that are paid for: the aliases, their keys and their prices."""

import os
from dataclasses import dataclass

from agent.keys import key as key_of
from agent.model import Usage
from agent.models.names import aliases
from agent.models.open import PROVIDERS, provided
from agent.models.settings import ModelSettings
from agent.prices import cost
from sandbox.refused import Refused


@dataclass(frozen=True)
class Paid:
    """One alias."""

    name: str
    model: str
    """With its provider."""
    key: str
    """Whether it is there, and where; never what it is."""
    input: float | None
    """US dollars for a million tokens; None where no price is known."""
    output: float | None


def paid(settings: ModelSettings) -> list[Paid]:
    """All aliases, in the order of the data."""
    keys = {name: key_state(provided(name, settings).api_key_env) for name in PROVIDERS}
    return [
        Paid(name, model, keys[model.partition(":")[0]], *million(model))
        for name, model in aliases().items()
    ]


def key_state(variable: str) -> str:
    """Where a key is, or how it is set; never what it is."""
    try:
        found = key_of(variable)
    except Refused:
        return f"the key in {variable} holds odd characters"
    if not found:
        return f"no key: set {variable}"
    return f"{variable} is {'set' if os.environ.get(variable, '').strip() else 'in the keyring'}"


def million(model: str) -> tuple[float | None, float | None]:
    """US dollars for a million tokens in and out, of `provider:model`; None where not known."""
    provider, _, name = model.partition(":")
    # Of a short request: some prices rise with its length.
    parts = [
        cost(name, usage, provider=provider) for usage in (Usage(input=1000), Usage(output=1000))
    ]
    into, out = (None if part is None else 1000 * part for part in parts)
    return into, out


def price(model: str) -> str:
    """The price of a million tokens of `provider:model`, in words."""
    into, out = million(model)
    if into is None or out is None:
        return "price unknown"
    return f"${into:.2f} in, ${out:.2f} out"
