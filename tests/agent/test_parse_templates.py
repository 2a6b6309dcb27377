"""What a real template writes for an assistant turn reads back as that turn."""

from pathlib import Path

import pytest

from agent.formats import format_of
from agent.message import Message, assistant, observed, system, user
from agent.parse import parse
from agent.template import render
from tools.call import Observation, ToolCall
from tools.schema import ToolSchema

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = [
    *sorted((ROOT / "training/templates").glob("*.jinja")),
    *(
        path
        for path in sorted((ROOT.parent / "shared/data/chat_templates").rglob("*.jinja"))
        # Opens <think> in its prompt and takes it out of the history again.
        if path.stem != "Qwen-QwQ-32B"
    ),
]
TOOLS: list[ToolSchema] = [
    {"type": "function", "function": {"name": "f", "description": "F.", "parameters": {}}}
]
CODE = "def f():\n\treturn \"</tool_call>\" + 'ä\\n'  # ] } ```\n"
# Their templates write either a text or calls.
SILENT = ("mistral", "llama3")


def written(template: str, message: Message) -> tuple[str, str]:
    """What the model has to generate for this message, and the conversation that it gives."""
    before, after = [system("Be brief."), user("Look")], [user("Thanks")]
    if format_of(template) == "mistral":
        # Its system prompt and tools move to the last user message.
        before, after = [user("Look")], list[Message]()
    # What follows shows where the turn ends; and a last turn is special to some templates.
    calls = message.get("tool_calls", [])
    after = [observed(Observation(call["id"], "f", "ok")) for call in calls] or after
    messages = [*before, message, *after]
    whole = render(template, messages, TOOLS, add_generation_prompt=False, bos="<s>", eos="</s>")
    prompt = render(template, before, TOOLS, add_generation_prompt=True, bos="<s>", eos="</s>")
    assert whole.startswith(prompt)
    rest = whole[len(prompt) :]
    ends = [rest.find(end) for end in ("<|im_end|>", "<|eot_id|>", "</s>") if end in rest]
    return rest[: min(ends)], whole


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
@pytest.mark.parametrize("text", ["", "I look.", "Lines:\n\n"])
@pytest.mark.parametrize("amount", [0, 1, 2])
def test_a_turn_reads_back(path: Path, text: str, amount: int):
    template = path.read_text(encoding="utf-8")
    form = format_of(template)
    assert form != "fenced"
    if (amount and form in SILENT and text) or (form == "llama3" and amount == 2):
        return
    ids = [f"00000200{n}" if form == "mistral" else f"call_2_{n}" for n in range(amount)]
    calls = [ToolCall(id, "f", {"code": CODE, "n": [1, {"x": None}]}) for id in ids]
    message = assistant(text.strip() if form == "llama3" else text, calls)
    generated, whole = written(template, message)
    parsed = parse(generated, form, message=2)
    assert parsed.malformed is None
    again = assistant(parsed.text, parsed.calls)
    assert written(template, again)[1] == whole
    assert list(parsed.calls) == calls
