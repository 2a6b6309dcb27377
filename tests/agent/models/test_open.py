import subprocess
import sys
from pathlib import Path

import pytest

from agent.message import user
from agent.model import Usage, answer
from agent.models.anthropic import ANTHROPIC, AnthropicModel
from agent.models.llama import LlamaModel
from agent.models.names import aliases, full
from agent.models.open import open_model, provided
from agent.models.openai import OpenAIModel
from agent.models.responses import ResponsesModel
from agent.models.settings import Endpoint, ModelSettings
from agent.prices import cost
from sandbox.refused import Refused
from tests.servers import anthropic_server, openai_server
from tests.servers.model_server import ModelServer, Reply


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of our own."""
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "OPENAI_API_KEY", "SPARE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-one")


async def test_every_alias_has_a_price_and_opens(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-two")
    for alias, spec in aliases().items():
        model = open_model(alias)
        assert model.name == spec
        provider, _, name = spec.partition(":")
        assert cost(name, Usage(1000, 10, 500), provider=provider), alias
        await model.close()


async def test_providers(random_gguf: Path):
    settings = ModelSettings(endpoints={"mine": Endpoint("http://127.0.0.1:9/v1")})
    for spec, kind in [
        ("anthropic:claude-new", AnthropicModel),
        ("mine:qwen:7b", OpenAIModel),
        ("ollama:qwen:7b", OpenAIModel),
        (f"local:{random_gguf}", LlamaModel),
    ]:
        model = open_model(spec, settings)
        assert isinstance(model, kind)
        await model.close()
    assert open_model("ollama:qwen:7b").name == "ollama:qwen:7b"


@pytest.mark.parametrize(
    ("spec", "base", "kind"),
    [
        ("gpt", None, ResponsesModel),
        ("openai:gpt-4.1-2025-04-14", None, ResponsesModel),
        ("openai:gpt-x", "https://eu.api.openai.com/v1", ResponsesModel),
        ("openai:gpt-x", "https://api.openai.com.example.org/v1", OpenAIModel),
        ("openai:gpt-x", "http://127.0.0.1:9/v1", OpenAIModel),
        ("gateway:gpt-x", None, ResponsesModel),
        ("ollama:gpt-oss", None, OpenAIModel),
    ],
)
async def test_the_protocol_is_the_one_of_the_address(
    spec: str, base: str | None, kind: type[OpenAIModel], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-two")
    gateway = Endpoint("http://127.0.0.1:9/v1", responses=True)
    named = {"gateway": gateway} | ({"openai": Endpoint(base)} if base else {})
    model = open_model(spec, ModelSettings(endpoints=named))
    assert type(model) is kind
    await model.close()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("cloude", r"no model 'cloude': did you mean 'claude'\.$"),
        ("claude-opis", r"no model 'claude-opis': did you mean 'claude-opus'\.$"),
        ("my-qwn", r"no model 'my-qwn': did you mean 'my-qwen'\.$"),
        ("olama:x", r"no provider 'olama' for 'olama:x': did you mean 'ollama:…'\.$"),
        ("xyz", r"no model 'xyz': use claude, .*local:PATH\.$"),
        ("nowhere:x", r"no provider 'nowhere' for 'nowhere:x': use claude, .*mine:…"),
        ("anthropic:", "no model 'anthropic:'"),
        ("gpt", r"no key for openai:.*OPENAI_API_KEY, or run `assistant models key openai`"),
        ("mine:x", r"no key for mine:x: set the environment variable SPARE_KEY, .*key mine`\.$"),
        ("local:/no/such.gguf", "There is no file /no/such.gguf"),
    ],
)
def test_what_cannot_be_opened(spec: str, words: str):
    settings = ModelSettings(endpoints={"mine": Endpoint("http://x/v1", "SPARE_KEY")})
    with pytest.raises(Refused, match=words):
        open_model(spec, settings, {"my-qwen": Path("/no/such.gguf")})


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("claude-opus-4-8", "anthropic:claude-opus-4-8"),
        ("gpt-5.4-mini", "openai:gpt-5.4-mini"),
        ("chatgpt-4o-latest", "openai:chatgpt-4o-latest"),
        ("o3", "openai:o3"),
        ("ollama:gpt-oss:20b", "ollama:gpt-oss:20b"),
        ("orca", "orca"),
    ],
)
def test_full_names_need_no_provider(name: str, whole: str):
    assert full(name) == whole


async def test_a_file_is_opened_by_its_name(random_gguf: Path):
    model = open_model("my-qwen", files={"my-qwen": random_gguf})
    assert model.name == "local:my-qwen"
    await model.close()


async def test_the_environment_moves_the_address(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-two")
    for variable, path, events, spec in [
        ("ANTHROPIC_BASE_URL", "", anthropic_server.events, "claude"),
        ("OPENAI_BASE_URL", "/v1", openai_server.events, "gpt"),
    ]:
        with ModelServer(events, [Reply("Hi")]) as server:
            monkeypatch.setenv(variable, server.url + path)
            model = open_model(spec)
            assert (await answer(model, [user("x")], [])).message["content"] == "Hi"
            await model.close()
        headers = {name.lower(): value for name, value in server.headers[0].items()}
        assert "sk-" in headers.get("x-api-key", "") + headers.get("authorization", "")


async def test_no_key_goes_to_the_address_of_another(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-two")
    with ModelServer(openai_server.events, [Reply("Hi")]) as server:
        own = Endpoint(f"{server.url}/v1", "SPARE_KEY")
        monkeypatch.setenv("SPARE_KEY", "sk-spare")
        settings = ModelSettings(endpoints={"openai": own})
        assert provided("anthropic", settings) == ANTHROPIC
        model = open_model("gpt", settings)
        assert (await answer(model, [user("x")], [])).message["content"] == "Hi"
        await model.close()
    headers = {name.lower(): value for name, value in server.headers[0].items()}
    assert headers["authorization"] == "Bearer sk-spare"


def test_prices():
    dear = cost("claude-sonnet-5-5", Usage(1_000_000, 0), provider="anthropic")
    cheap = cost("claude-sonnet-5-5", Usage(1_000_000, 0, 1_000_000), provider="anthropic")
    written = cost("claude-sonnet-5-5", Usage(1_000_000), provider="anthropic", written=1_000_000)
    assert dear
    assert cheap
    assert written
    assert 0 < cheap < dear < written
    assert cost("claude-sonnet-5-5", Usage(0, 1_000_000), provider="anthropic") == pytest.approx(
        5 * dear
    )


@pytest.mark.parametrize(
    ("model", "provider", "url"),
    [
        ("no-such-model", "anthropic", ""),
        ("gpt-6-sol", "", "http://127.0.0.1:11434/v1"),
        ("gpt-6-sol", "", ""),
        ("qwen:7b", "no-such-provider", ""),
    ],
)
def test_an_unknown_price_is_not_guessed(model: str, provider: str, url: str):
    assert cost(model, Usage(10, 10), provider=provider, url=url) is None


def test_a_known_endpoint_has_its_own_prices():
    assert cost("moonshotai/kimi-k2", Usage(1000, 10), url="https://openrouter.ai/api/v1")


WITHOUT = """
import sys
sys.modules["llama_cpp"] = sys.modules["jinja2"] = None
from agent.models.open import open_model
from sandbox.refused import Refused
print(open_model("claude").name)
try:
    open_model("local:" + sys.argv[1])
except Refused as error:
    print(error)
heavy = {"anthropic", "openai", "httpx2", "pydantic", "numpy", "genai_prices"}
print(sorted(heavy & set(sys.modules)))
"""


def test_without_the_local_extra(random_gguf: Path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(random_gguf)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).resolve().parents[3],
        env={"ANTHROPIC_API_KEY": "sk-one"},
    )
    assert done.stderr == ""
    name, refused, heavy = done.stdout.splitlines()
    assert name == aliases()["claude"]
    assert refused.startswith("Local models need llama-cpp-python")
    assert heavy == "[]"
