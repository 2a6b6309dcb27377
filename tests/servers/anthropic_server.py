"""Anthropic's Messages API, scripted: `python anthropic_server.py --script replies.json --port 0`.

The script is the one of openai_server.py.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

# As a script it is started by its path, from anywhere and with nothing but the standard library.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.servers.model_server import Reply, Wire, serve


def events(
    reply: Reply, request: Wire, identity: str, counts: Mapping[str, int] | None = None
) -> list[bytes]:
    """A reply as server-sent events; text in pieces of 5 characters, arguments of 7.

    `counts` are the prompt's tokens; without them half of a guess was read from the cache.
    """
    size = len(json.dumps(request["messages"])) // 4
    counts = counts or {"input_tokens": size, "cache_read_input_tokens": size // 2}
    usage: Wire = {**counts, "output_tokens": 1}
    message: Wire = {"id": identity, "role": "assistant", "content": [], "usage": usage}
    sent: list[Wire] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    blocks: list[tuple[Wire, list[Wire]]] = []
    if reply.thinking:
        deltas = [{"type": "thinking_delta", "thinking": reply.thinking}]
        signature = [{"type": "signature_delta", "signature": f"signed_{identity}"}]
        blocks.append(({"type": "thinking", "thinking": ""}, [*deltas, *signature]))
    if reply.text:
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(reply.text, 5)]
        blocks.append(({"type": "text", "text": ""}, deltas))
    for index, call in enumerate(reply.calls):
        given = call["arguments"]
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in _pieces(text, 7)]
        start: Wire = {
            "type": "tool_use",
            "id": f"{identity}_{index}",
            "name": call["name"],
            "input": {},
        }
        blocks.append((start, deltas))
    for index, (start, deltas) in enumerate(blocks):
        sent.append({"type": "content_block_start", "index": index, "content_block": start})
        sent += [{"type": "content_block_delta", "index": index, "delta": d} for d in deltas]
        sent.append({"type": "content_block_stop", "index": index})
    stop = reply.stop or ("tool_use" if reply.calls else "end_turn")
    sent.append({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": _output(sent)})
    sent.append({"type": "message_stop"})
    return [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in sent]


def _output(sent: list[Wire]) -> Wire:
    return {"output_tokens": len(sent)}


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


if __name__ == "__main__":
    serve(events, sys.argv[1:])
