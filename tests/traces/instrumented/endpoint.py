"""A model's maker in miniature: answers as OpenAI's and Anthropic's interfaces do, from a script.

What is asked decides the answer, so that no call depends on one before: a question with tools is
answered by calling one, a tool's result and a question without tools by words, `Fail` and
`Hurry` by an error.
"""

import base64
import json
import struct
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

WAIT_S = 0.03
"""Before the first piece of a streamed answer, and again before the last."""
ARGUMENTS = '{"city":"Paris"}'
WORDS = ["It is ", "mild in Paris"]
ERRORS = {
    "Fail": (500, "server_error", "The engine is down"),
    "Hurry": (429, "rate_limit_error", "Too many requests"),
}


def serve() -> str:
    """The address of an endpoint that lives as long as this program."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        for word, (status, kind, message) in ERRORS.items():
            if f'"{word}"' in json.dumps(asked):
                error = {"type": kind, "message": message, "code": None, "param": None}
                return self._answer(status, {"type": "error", "error": error})
        interface = self.path.split("?")[0].rsplit("/", 1)[-1]
        if interface == "embeddings":
            return self._answer(200, _embeddings(asked))
        whole, pieces = _INTERFACES[interface]
        if not asked.get("stream"):
            return self._answer(200, whole(asked))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        told = list(pieces(asked))
        for number, piece in enumerate(told):
            if number in (0, len(told) - 1):
                time.sleep(WAIT_S)
            name = f"event: {piece['type']}\n" if "type" in piece else ""
            self.wfile.write(f"{name}data: {json.dumps(piece)}\n\n".encode())
            self.wfile.flush()
        if interface == "completions":
            self.wfile.write(b"data: [DONE]\n\n")
        return None

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def _wants_a_tool(asked: dict[str, Any]) -> bool:
    told = json.dumps(asked.get("messages") or asked.get("input"))
    answered = ("tool_call_id", "function_call_output", "tool_result")
    return bool(asked.get("tools")) and not any(f'"{name}"' in told for name in answered)


def _id(asked: dict[str, Any], of: str) -> str:
    return f"{of}_{1 if _wants_a_tool(asked) else 2}"


def _chat(asked: dict[str, Any]) -> dict[str, Any]:
    call = {"id": "call_1", "type": "function"}
    call |= {"function": {"name": "weather", "arguments": ARGUMENTS}}
    message: dict[str, Any] = {"role": "assistant", "content": "".join(WORDS), "refusal": None}
    finish = "stop"
    if _wants_a_tool(asked):
        message |= {"content": "Let me look", "tool_calls": [call]}
        finish = "tool_calls"
    choice = {"index": 0, "finish_reason": finish, "message": message, "logprobs": None}
    return _chat_head(asked, "chat.completion") | {"choices": [choice], "usage": _chat_usage()}


def _chat_pieces(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    head = _chat_head(asked, "chat.completion.chunk")
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    finish = "stop"
    if _wants_a_tool(asked):
        call = {"index": 0, "id": "call_1", "type": "function"}
        deltas.append({"tool_calls": [call | {"function": {"name": "weather", "arguments": ""}}]})
        deltas += [
            {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}
            for part in (ARGUMENTS[:6], ARGUMENTS[6:])
        ]
        finish = "tool_calls"
    else:
        deltas += [{"content": word} for word in WORDS]
    for delta in deltas:
        yield head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield head | {"choices": [], "usage": _chat_usage()}


def _chat_head(asked: dict[str, Any], kind: str) -> dict[str, Any]:
    model = "gpt-4o-2024-08-06"
    return {"id": _id(asked, "chatcmpl"), "object": kind, "created": 1, "model": model}


def _chat_usage() -> dict[str, Any]:
    return {
        "prompt_tokens": 120,
        "completion_tokens": 9,
        "total_tokens": 129,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


def _response(asked: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "message", "id": "msg_1", "role": "assistant"}
    words = {"type": "output_text", "text": "".join(WORDS), "annotations": []}
    item |= {"status": "completed", "content": [words]}
    if _wants_a_tool(asked):
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather"}
        item |= {"arguments": ARGUMENTS, "status": "completed"}
    return {
        "id": _id(asked, "resp"),
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "model": "gpt-4o-2024-08-06",
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": asked.get("tools") or [],
        "temperature": 1.0,
        "top_p": 1.0,
        "metadata": {},
        "usage": {
            "input_tokens": 120,
            "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 0},
            "output_tokens": 9,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 129,
        },
    }


def _response_pieces(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    done = _response(asked)
    (item,) = done["output"]
    begun = done | {"status": "in_progress", "output": [], "usage": None}
    at = {"item_id": item["id"], "output_index": 0}
    pieces: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"content": []}},
    ]
    if item["type"] == "function_call":
        delta = at | {"delta": ARGUMENTS}
        pieces.append(delta | {"type": "response.function_call_arguments.delta"})
        whole = at | {"arguments": ARGUMENTS, "name": "weather"}
        pieces.append(whole | {"type": "response.function_call_arguments.done"})
    else:
        at |= {"content_index": 0}
        empty = item["content"][0] | {"text": ""}
        pieces.append(at | {"type": "response.content_part.added", "part": empty})
        for word in WORDS:
            delta = at | {"delta": word, "logprobs": []}
            pieces.append(delta | {"type": "response.output_text.delta"})
        whole = at | {"text": "".join(WORDS), "logprobs": []}
        pieces.append(whole | {"type": "response.output_text.done"})
        pieces.append(at | {"type": "response.content_part.done", "part": item["content"][0]})
    pieces.append({"type": "response.output_item.done", "output_index": 0, "item": item})
    pieces.append({"type": "response.completed", "response": done})
    for number, piece in enumerate(pieces):
        yield piece | {"sequence_number": number}


def _message(asked: dict[str, Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": "".join(WORDS), "citations": None}]
    reason = "end_turn"
    if _wants_a_tool(asked):
        call = {"type": "tool_use", "id": "toolu_1", "name": "weather"}
        content = [content[0] | {"text": "Let me look"}, call | {"input": json.loads(ARGUMENTS)}]
        reason = "tool_use"
    return {
        "id": _id(asked, "msg"),
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-20250514",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        # Anthropic counts what came from and went into its cache beside the others.
        "usage": {
            "input_tokens": 46,
            "cache_read_input_tokens": 64,
            "cache_creation_input_tokens": 10,
            "output_tokens": 9,
        },
    }


def _message_pieces(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    whole = _message(asked)
    usage = whole["usage"]
    begun = whole | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(whole["content"]):
        empty = {"text": ""} if block["type"] == "text" else {"input": {}}
        yield {"type": "content_block_start", "index": index, "content_block": block | empty}
        if block["type"] == "text":
            words = WORDS if block["text"] == "".join(WORDS) else [block["text"]]
            deltas = [{"type": "text_delta", "text": word} for word in words]
        else:
            deltas = [{"type": "input_json_delta", "partial_json": ARGUMENTS}]
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    reason = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": reason, "usage": {"output_tokens": 9}}
    yield {"type": "message_stop"}


def _embeddings(asked: dict[str, Any]) -> dict[str, Any]:
    vector = [0.25, 0.5, 0.75]
    packed = base64.b64encode(struct.pack("<3f", *vector)).decode()
    value = packed if asked.get("encoding_format") == "base64" else vector
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    return {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [
            {"object": "embedding", "index": index, "embedding": value}
            for index, _ in enumerate(texts)
        ],
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }


_INTERFACES = {
    "completions": (_chat, _chat_pieces),
    "responses": (_response, _response_pieces),
    "messages": (_message, _message_pieces),
}
