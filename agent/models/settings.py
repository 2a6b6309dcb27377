"""How a model is reached and what it may do; the same record for every kind of model."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks OpenAI's Chat Completions, or its Responses API, or Anthropic's."""

    base_url: str
    """Up to and with `/v1`; for Anthropic's API without it."""
    api_key_env: str = ""
    """The environment variable that holds its key; empty for servers that need none."""
    responses: bool = False
    """Use the Responses API: for gateways to OpenAI. OpenAI's own address needs no such hint."""
    prices: str = ""
    """Whose prices hold, as genai-prices calls it (`openai`), where the address does not tell."""
    context: int = 0
    """The window of its models in tokens, where no list knows it: conversations are made shorter
    before they outgrow it. Some servers cut a longer prompt without a word."""


@dataclass(frozen=True)
class ModelSettings:
    """Numbers and places; nothing secret. What a kind of model has no use for, it ignores."""

    max_tokens: int = 16_384
    """The longest answer, in tokens."""
    temperature: float | None = None
    """None leaves it to the provider; a local model then takes what its file recommends, or else
    the likeliest token. Anthropic's API takes none."""
    first_timeout: float = 300.0
    """Seconds until an answer begins; a server without a GPU reads the whole prompt first."""
    timeout: float = 120.0
    """Seconds of silence inside an answer."""
    retries: int = 4
    """How often a request is repeated after the first one failed."""
    patience: float = 60.0
    """The longest pause before a request is repeated, in seconds, whatever the server asks for."""
    call_cost: float | None = None
    """US dollars that one request may cost: the longest answer is made short enough for that."""
    effort: str = ""
    """How much a model thinks: `low`, `medium`, `high`, …; empty leaves it to the provider."""
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict[str, Endpoint])
    """Further endpoints by name: `name:model` opens a model there. Those named `anthropic` and
    `openai` stand for the providers themselves; each has a key of its own, so that none is sent
    to the other's address."""
    context: int = 0
    """The local student's window in tokens; 0 takes what it was trained for, at most 16,384, and
    what the memory holds."""
    seed: int = 0
    """For the local student at a temperature above 0: of its first answer; each has the next."""
    threads: int = 0
    """For the local student; 0 chooses by the model's size and the machine's cores."""
    gpu_layers: int = -1
    """Layers of the local student on a GPU, where llama.cpp was built for one; -1 tries all."""
    tool_format: str = ""
    """How the local student writes tool calls; empty reads it off the chat template."""
