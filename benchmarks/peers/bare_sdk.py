"""A loop round the openai SDK and nothing else: `bare_sdk.py URL FOLDER typed|raw`."""

import json
import sys

from observation import PROMPT, SYSTEM, TEXT
from openai import OpenAI

LOOK = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look at a file.",
        "parameters": {
            "type": "object",
            "properties": {"name": {"type": "string", "description": "the file's name."}},
            "required": ["name"],
        },
    },
}


def main(url: str, folder: str, kind: str) -> None:
    client = OpenAI(api_key="none", base_url=url, max_retries=0)
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]
    while True:
        message = _typed(client, messages) if kind == "typed" else _raw(client, messages)
        messages.append(message)
        if not message.get("tool_calls"):
            return
        for call in message["tool_calls"]:
            json.loads(call["function"]["arguments"])
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": TEXT})


def _typed(client: OpenAI, messages: list) -> dict:
    answer = client.chat.completions.create(model="bench", messages=messages, tools=[LOOK])
    return answer.choices[0].message.model_dump(exclude_none=True)


def _raw(client: OpenAI, messages: list) -> dict:
    body = {"model": "bench", "messages": messages, "tools": [LOOK]}
    response = client.post("/chat/completions", body=body, cast_to=object)
    return response["choices"][0]["message"]


main(*sys.argv[1:])
