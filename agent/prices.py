"""What a request cost, by the kept price list of genai-prices; what it does not know is None."""

from functools import partial

from agent.model import Usage


def cost(
    model: str,
    usage: Usage,
    *,
    provider: str = "",
    url: str = "",
    written: int = 0,
    batch: bool = False,
) -> float | None:
    """US dollars for a request, or None where no price is known.

    Args:
        model: the provider's name of the model.
        usage: its tokens; the input includes the cached and the written ones.
        provider: the provider's id in genai-prices (`anthropic`, `openai`), or else
        url: the address of the endpoint, from which genai-prices may know the provider.
        written: tokens that were written to the provider's cache.
        batch: the price of requests that the provider answers when it has time.
    """
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    tokens = Tokens(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cached,
        cache_write_tokens=written,
    )
    price = partial(calc_price, price_context={"processing": "batch"} if batch else None)
    try:
        if provider:
            return float(price(tokens, model, provider_id=provider).total_price)
        return float(price(tokens, model, provider_api_url=url).total_price)
    except LookupError:
        return None


def window(model: str, *, provider: str = "", url: str = "") -> int:
    """The tokens that a model's prompt and answer may have together; 0 where that is not known.

    From the same list; the arguments are those of `cost`.
    """
    from genai_prices.data_snapshot import get_snapshot

    try:
        found = get_snapshot().find_provider_model(
            model, None, provider or None, None if provider else url
        )
    except LookupError:
        return 0
    return found[1].context_window or 0
