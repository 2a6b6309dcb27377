"""How the next token is chosen from what the model says of all of them."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

Judge = Callable[[int, Any], int]
Choose = Callable[[Judge | None], int]


@contextmanager
def chooser(
    api: Any,  # noqa: ANN401 - llama.cpp's bindings
    context: Any,  # noqa: ANN401 - a C pointer
    temperature: float,
    seed: int,
) -> Generator[Choose]:
    """A way to choose the next token; at temperature 0 the likeliest one.

    What it is given has the last word: a function of the choice and of the sampler.
    """
    chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
    if temperature > 0:
        steps = [
            api.llama_sampler_init_top_k(40),
            api.llama_sampler_init_top_p(0.95, 1),
            api.llama_sampler_init_min_p(0.05, 1),
            api.llama_sampler_init_temp(temperature),
            api.llama_sampler_init_dist(seed),
        ]
    else:
        steps = [api.llama_sampler_init_greedy()]
    for step in steps:
        api.llama_sampler_chain_add(chain, step)

    def choose(judge: Judge | None = None) -> int:
        token = api.llama_sampler_sample(chain, context, -1)
        return judge(token, chain) if judge else token

    try:
        yield choose
    finally:
        api.llama_sampler_free(chain)
