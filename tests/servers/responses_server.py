"""OpenAI's Responses API: the other protocol of openai_server.py."""

import json

from tests.servers.model_server import Reply, Wire

_INCOMPLETE = ("max_output_tokens", "content_filter")


def events(reply: Reply, request: Wire, identity: str) -> list[bytes]:
    """A reply as server-sent events; text in pieces of 5 characters, arguments of 7.

    `reply.stop` is the reason of an incomplete answer; `reply.thinking` a summary of reasoning.
    """
    incomplete = reply.stop in _INCOMPLETE
    status = "incomplete" if incomplete else "completed"
    response: Wire = {"id": identity, "object": "response", "model": request["model"]}
    started: Wire = response | {"status": "in_progress", "output": [], "usage": None}
    sent: list[Wire] = [{"type": f"response.{k}", "response": started} for k in _STARTS]
    output = _output(reply, identity, status)
    for index, item in enumerate(output):
        at = {"item_id": item["id"], "output_index": index}
        sent.append(at | {"type": "response.output_item.added", "item": _empty(item)})
        sent += [at | event for event in _fragments(item)]
        sent.append(at | {"type": "response.output_item.done", "item": item})
    ended = response | {"status": status, "output": output, "usage": _usage(request, len(sent))}
    ended["incomplete_details"] = {"reason": reply.stop} if incomplete else None
    sent.append({"type": f"response.{status}", "response": ended})
    lines = [event | {"sequence_number": number} for number, event in enumerate(sent)]
    return [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in lines]


_STARTS = ("created", "in_progress")


def _output(reply: Reply, identity: str, status: str) -> list[Wire]:
    output: list[Wire] = []
    if reply.thinking:
        summary = [{"type": "summary_text", "text": reply.thinking}]
        hidden = {"summary": summary, "encrypted_content": f"sealed_{identity}"}
        output.append({"id": f"rs_{identity}", "type": "reasoning"} | hidden)
    if reply.text:
        content: list[Wire] = [{"type": "output_text", "text": reply.text, "annotations": []}]
        said: Wire = {"role": "assistant", "status": status, "content": content}
        phase = {"phase": "commentary" if reply.calls else "final_answer"}
        output.append({"id": f"msg_{identity}", "type": "message"} | said | phase)
    for number, call in enumerate(reply.calls):
        given = call["arguments"]
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        made = {"call_id": f"{identity}_{number}", "name": call["name"], "arguments": text}
        kind = {"id": f"fc_{identity}_{number}", "type": "function_call", "status": status}
        output.append(kind | made)
    return output


def _empty(item: Wire) -> Wire:
    """As it is announced, before its fragments."""
    blank: Wire = {"content": [], "summary": [], "arguments": "", "status": "in_progress"}
    return {name: blank.get(name, value) for name, value in item.items()}


def _fragments(item: Wire) -> list[Wire]:
    if item["type"] == "function_call":
        kind = {"type": "response.function_call_arguments.delta"}
        return [kind | {"delta": piece} for piece in _pieces(item["arguments"], 7)]
    if item["type"] == "reasoning":
        part = {"summary_index": 0}
        text = {
            "type": "response.reasoning_summary_text.delta",
            "delta": item["summary"][0]["text"],
        }
        return [part | {"type": "response.reasoning_summary_part.added"}, part | text]
    part: Wire = {"type": "response.content_part.added", "content_index": 0}
    part["part"] = item["content"][0] | {"text": ""}
    kind = {"type": "response.output_text.delta", "content_index": 0}
    return [part, *(kind | {"delta": p} for p in _pieces(item["content"][0]["text"], 5))]


def _usage(request: Wire, output: int) -> Wire:
    size = len(json.dumps(request["input"])) // 4
    return {
        "input_tokens": size,
        "input_tokens_details": {"cached_tokens": size // 2},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": size + output,
    }


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]
