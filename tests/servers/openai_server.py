"""OpenAI's two protocols, scripted: `python openai_server.py --script replies.json --port 0`.

A script is a JSON list of `{"text": …, "tool_calls": [{"name": …, "arguments": {…}}]}`; the n-th
is the answer to a request that holds n assistant messages.
"""

import json
import sys
from pathlib import Path

# As a script it is started by its path, from anywhere and with nothing but the standard library.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.servers import responses_server
from tests.servers.model_server import Reply, Wire, serve


def events(reply: Reply, request: Wire, identity: str) -> list[bytes]:
    """A reply as chunks; text in words, arguments in pieces of 7 characters."""
    if "input" in request:
        return responses_server.events(reply, request, identity)
    deltas: list[Wire] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": reply.thinking}] if reply.thinking else []
    deltas += [{"content": word} for word in _pieces(reply.text, 5)]
    for index, call in enumerate(reply.calls):
        given = call["arguments"]
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        function = {"name": call["name"], "arguments": ""}
        opened = {"index": index, "id": f"{identity}_{index}", "type": "function"}
        deltas.append({"tool_calls": [opened | {"function": function}]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in _pieces(text, 7)
        ]
    choices: list[list[Wire]] = [
        [{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas
    ]
    stop = reply.stop or ("tool_calls" if reply.calls else "stop")
    choices.append([{"index": 0, "delta": {}, "finish_reason": stop}])
    chunks: list[Wire] = [{"choices": choice, "usage": None} for choice in choices]
    if request.get("stream_options", {}).get("include_usage"):
        chunks.append({"choices": [], "usage": usage(request, len(deltas))})
    same = {"id": identity, "object": "chat.completion.chunk", "model": request["model"]}
    lines = [f"data: {json.dumps(same | chunk)}\n\n".encode() for chunk in chunks]
    return [*lines, b"data: [DONE]\n\n"]


def usage(request: Wire, output: int) -> Wire:
    size = len(json.dumps(request["messages"])) // 4
    details = {"cached_tokens": size // 2}
    return {
        "prompt_tokens": size,
        "completion_tokens": output,
        "total_tokens": size + output,
        "prompt_tokens_details": details,
    }


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


if __name__ == "__main__":
    serve(events, sys.argv[1:])
