"""Turns that outgrow the model's window: shortened between two steps, recorded, told, resumed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agent.compact import characters, last_compaction, seen
from agent.conversation import Conversation, begin
from agent.limits import Budget, Budgeted, EpisodeLimits
from agent.message import Message, assistant, calls, user
from agent.model import ContextFull, Event, ModelError, Notice, Retry, Usage
from agent.models.anthropic import AnthropicModel
from agent.models.openai import OpenAIModel
from agent.models.scripted import Policy, ScriptedModel, reply
from agent.models.settings import Endpoint, ModelSettings
from agent.room import LEFT_OUT, Fitted, window
from tests.agent.test_conversation import end, talk
from tools.call import Observation, ToolCall
from tools.schema import ToolSchema

WINDOW = 6_000
"""Tokens; one is four characters here."""


def looking(steps: int, seen: list[list[Message]], size: int = 2000) -> Policy:
    """Looks into the folder, with many words, and notes what it was shown."""

    def policy(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        seen.append(list(messages))
        used = Usage(characters(messages) // 4 + 1, 500)
        if len(seen) >= steps:
            return (*reply("Done."), used)
        call = ToolCall(f"c{len(seen)}", "list_files", {"path": ".", "depth": len(seen)})
        return (*reply("x" * size, call), used)

    return policy


class Windowed(ScriptedModel):
    """A script with a window: longer prompts are refused, as providers do."""

    window = WINDOW
    counted = 0

    def __init__(self, script: Policy) -> None:
        def checked(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
            if characters(messages) // 4 > WINDOW:
                raise ContextFull("It is too long.")
            return list(script(messages, tools))

        super().__init__(checked)

    async def count(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> int:
        """What the policy will tell."""
        self.counted += 1
        return characters(messages) // 4 + 1


class Unknown(Windowed):
    """Its window is not known."""

    window = 0


async def opened(
    folder: Path, policy: Policy, kind: Callable[[Policy], ScriptedModel] = Windowed
) -> tuple[Conversation, list[Event | Observation]]:
    conversation, heard = await talk(folder, policy, "auto")
    conversation.agent.model = kind(policy)
    conversation.limits = EpisodeLimits(steps=100)
    return conversation, heard


def compactions(conversation: Conversation) -> int:
    return sum("kept_from" in message for message in conversation.episode.messages)


async def test_a_long_turn_is_shortened_seldom_and_says_so(tmp_path: Path) -> None:
    shown: list[list[Message]] = []
    conversation, heard = await opened(tmp_path, looking(40, shown))
    assert await conversation.ask("Look around.") == "end"
    made = compactions(conversation)
    assert 2 <= made <= 8
    assert heard.count(Notice(LEFT_OUT)) == made
    # Nothing of the history is lost, and each prompt but the first after one goes on the last.
    assert len([m for m in conversation.episode.messages if m["role"] == "tool"]) == 39
    broken = sum(after[: len(before)] != before for before, after in pairwise(shown))
    assert broken == made
    assert all(characters(messages) // 4 <= WINDOW for messages in shown)
    assert all(messages[1]["content"].startswith("Look around.") for messages in shown)
    assert "Other calls:\n- list_files" in shown[-1][1]["content"]
    await end(conversation)


async def test_where_the_window_is_not_known_a_refusal_shortens_once_for_each_time(
    tmp_path: Path,
) -> None:
    shown: list[list[Message]] = []
    conversation, _ = await opened(tmp_path, looking(20, shown), Unknown)
    assert await conversation.ask("Look around.") == "end"
    assert compactions(conversation) >= 1
    await end(conversation)


@pytest.mark.parametrize("kind", [Windowed, Unknown])
async def test_what_cannot_be_shortened_ends_the_turn_with_the_models_sentence(
    tmp_path: Path, kind: type[Windowed]
) -> None:
    conversation, heard = await opened(tmp_path, looking(3, []), kind)
    assert await conversation.ask("x" * WINDOW * 5) == "limit: context"
    assert Notice("It is too long.") in heard
    assert compactions(conversation) == 0
    await end(conversation)


async def test_a_shortened_history_that_is_refused_again_is_given_up(tmp_path: Path) -> None:
    asked: list[int] = []

    def policy(messages: Sequence[Message], tools: Sequence[ToolSchema]) -> Sequence[Event]:
        asked.append(len(messages))
        if len(asked) > 9:
            raise ContextFull("It is too long.")
        return reply("x" * 1000, ToolCall("c", "list_files", {"depth": len(asked)}))

    conversation, _ = await opened(tmp_path, policy, Unknown)
    assert await conversation.ask("Look.") == "limit: context"
    assert len(asked) == 11
    assert compactions(conversation) == 1
    await end(conversation)


async def test_a_turn_with_huge_results_is_not_shortened_at_every_step(tmp_path: Path) -> None:
    shown: list[list[Message]] = []
    # Each step fills two thirds of the window by itself.
    conversation, _ = await opened(tmp_path, looking(10, shown, size=WINDOW * 4 * 2 // 3))
    assert await conversation.ask("Look around.") == "end"
    assert compactions(conversation) <= 9
    await end(conversation)


async def test_a_killed_conversation_goes_on_where_it_was_after_a_compaction(
    tmp_path: Path,
) -> None:
    shown: list[list[Message]] = []
    conversation, _ = await opened(tmp_path, looking(12, shown))
    await conversation.ask("Look around.")
    store = conversation.store
    assert compactions(conversation) == 1
    # What is on disk is all that the next process has; the last call has no result yet.
    past = store.episode(conversation.episode.id).steps[:-2]
    assert calls(past[-1].message)
    episode = begin(conversation.agent, store)
    for n, step in enumerate(past):
        store.append(episode.id, n, step)
    again: list[list[Message]] = []
    conversation.agent.model = Windowed(looking(3, again))
    resumed = Conversation(conversation.agent, store, replace(episode, steps=past))
    assert await resumed.ask("Go on.") == "end"
    messages = resumed.episode.messages
    assert [m for m in messages if "kept_from" not in m][: len(past) - 1] == [
        step.message for step in past if "kept_from" not in step.message
    ]
    before = seen([step.message for step in past])
    assert again[0][: len(before)] == before
    assert again[0][-1] == user("Go on.")
    assert again[0][-2]["content"].startswith("Interrupted")
    await end(resumed)


async def test_the_estimate_learns_and_the_model_counts_only_near_its_window() -> None:
    model = Windowed(lambda messages, tools: (*reply("Yes."), Usage(characters(messages))))
    fitted = Fitted(Budgeted(model, Budget(None)))
    assert window(fitted) == WINDOW
    history = [user("x" * 1000)]
    assert await fitted.tokens(history, []) == pytest.approx(300, rel=0.1)
    assert [event async for event in fitted.stream(history, [])]
    assert await fitted.tokens(history, []) == 1000
    assert model.counted == 0
    assert await fitted.tokens([user("x" * 5000)], []) == 1251
    assert model.counted == 1


async def test_a_try_that_broke_makes_no_prompt_longer() -> None:
    half, again = Usage(500), Retry("again in 0 s", 0.0, overloaded=False)
    fitted = Fitted(ScriptedModel([(half, again, half, half, *reply("Yes."))]))
    history = [user("x" * 1000)]
    assert [event async for event in fitted.stream(history, [])]
    assert await fitted.tokens(history, []) == pytest.approx(1000, rel=0.01)


async def test_where_counting_fails_the_estimate_will_do() -> None:
    class Down(Windowed):
        async def count(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> int:
            raise ModelError("It is down.")

    fitted = Fitted(Down(lambda messages, tools: ()))
    assert await fitted.tokens([user("x" * 20_000)], []) == pytest.approx(6000, rel=0.01)
    assert last_compaction([assistant("")]) is None


def test_windows_of_providers_are_read_off_the_price_list_or_set() -> None:
    settings = ModelSettings()
    own = OpenAIModel("openai:gpt-5", Endpoint("https://api.openai.com/v1"), "k", settings)
    other = OpenAIModel("mine:llama", Endpoint("http://localhost:1/v1"), "", settings)
    told = OpenAIModel("mine:x", Endpoint("http://localhost:1/v1", context=8192), "", settings)
    assert [window(model) for model in (own, other, told)] == [400_000, 0, 8192]
    assert window(AnthropicModel("claude-sonnet-4-5", "k", settings)) >= 200_000
    assert window(ScriptedModel([])) == 0
