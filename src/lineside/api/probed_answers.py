"""Where in an answer a probe is put: what providers give beside the words of it."""

from typing import Any

_ITS_NAME = "no-such-field"
Answers = dict[str, dict[str, Any]]


def _halves(text: str) -> tuple[str, str]:
    half = len(text) // 2
    return text[:half], text[half:]


def chat_answers(text: str) -> Answers:
    """Answers of Chat Completions, by where the text stands in them."""

    def answer(choice: dict[str, Any] | None = None, **message: Any) -> dict[str, Any]:
        said = {"role": "assistant", "content": "-"} | message
        first = {"index": 0, "message": said, "finish_reason": "stop"} | (choice or {})
        return {"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "choices": [first]}

    cited = {"url": f"https://x.org/?to={text}", "title": "-", "start_index": 0, "end_index": 1}
    titled = cited | {"url": "https://x.org", "title": text}
    spoken = {"id": "audio_1", "data": "AAAA", "expires_at": 1, "transcript": text}
    call = {"id": "call_1", "type": "function", "function": {"name": "a", "arguments": text}}
    thought = {"type": "reasoning.text", "text": text, "index": 0}
    thoughts = [thought | {"text": half} for half in _halves(text)]
    return {
        "a citation's address": answer(
            annotations=[{"type": "url_citation", "url_citation": cited}]
        ),
        "a citation's title": answer(
            annotations=[{"type": "url_citation", "url_citation": titled}]
        ),
        "a recording's words": answer(content=None, audio=spoken),
        "a refusal": answer(content=None, refusal=text),
        "a thought": answer(reasoning_content=text),
        "a thought's details": answer(reasoning_details=[thought]),
        "a thought's details, cut in two": answer(reasoning_details=thoughts),
        "arguments": answer(content=None, tool_calls=[call]),
        "a call's unknown field": answer(
            tool_calls=[call | {"function": {"name": "a", "arguments": "{}", _ITS_NAME: text}}]
        ),
        "a message's unknown field": answer(**{_ITS_NAME: {"words": [text]}}),
        "a choice's unknown field": answer({_ITS_NAME: text}),
        "the answer's unknown field": answer() | {_ITS_NAME: text},
        "addresses of sources": answer() | {"citations": [f"https://x.org/{text}"]},
        "the counts' unknown field": answer() | {"usage": {"prompt_tokens": 1, _ITS_NAME: text}},
    }


def messages_answers(text: str) -> Answers:
    """Answers of Messages, by where the text stands in them."""

    def answer(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
        whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
        counts = {"input_tokens": 1, "output_tokens": 1}
        return whole | {"content": content, "stop_reason": "end_turn", "usage": counts} | fields

    def cited(**fields: Any) -> dict[str, Any]:
        usual = {"type": "char_location", "document_index": 0, "document_title": "-"}
        place = {"cited_text": "-", "start_char_index": 0, "end_char_index": 1}
        return answer({"type": "text", "text": "-", "citations": [usual | place | fields]})

    found = {"type": "web_search_result", "title": text, "url": "-", "encrypted_content": "-"}
    made = {"id": "srvtoolu_1", "name": "web_search", "input": {"query": text}}
    words = [{"type": "text", "text": half} for half in _halves(text)]
    thoughts = [{"type": "thinking", "thinking": half, "signature": "-"} for half in _halves(text)]
    return {
        "words, cut in two": answer(*words),
        "a citation's words": cited(cited_text=text),
        "a citation's title": cited(document_title=text),
        "a thought": answer({"type": "thinking", "thinking": text, "signature": "-"}),
        "a thought, cut in two": answer(*thoughts),
        "arguments": answer(
            {"type": "tool_use", "id": "toolu_1", "name": "a", "input": {"a": text}}
        ),
        "a provider's tool": answer({"type": "server_tool_use", **made}),
        "a provider's result": answer(
            {"type": "web_search_tool_result", "tool_use_id": "1", "content": [found]}
        ),
        "an unknown part": answer({"type": _ITS_NAME, "words": text}),
        "a part's unknown field": answer({"type": "text", "text": "-", _ITS_NAME: text}),
        "why it ended": answer(stop_reason="refusal", stop_details={"explanation": text}),
        "where it stopped": answer(stop_reason="stop_sequence", stop_sequence=text),
        "the answer's unknown field": answer(**{_ITS_NAME: text}),
    }


def responses_answers(text: str) -> Answers:
    """Answers of Responses, by where the text stands in them."""

    def answer(*output: dict[str, Any], **fields: Any) -> dict[str, Any]:
        whole = {"id": "resp_1", "object": "response", "status": "completed", "model": "m"}
        return whole | {"created_at": 1, "output": output} | fields

    def said(**piece: Any) -> dict[str, Any]:
        usual = {"type": "output_text", "text": "-", "annotations": []} | piece
        item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
        return answer(item | {"content": [usual]})

    cited = {"type": "url_citation", "url": "https://x.org", "title": text}
    file = {"type": "file_citation", "file_id": "file-1", "filename": text, "index": 0}
    searched = {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["-"]}
    found = {"file_id": "file-1", "filename": "-", "text": text}
    made = {"type": "mcp_call", "id": "mcp_1", "name": "a", "server_label": "b"}
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "a"}
    thought = {"type": "reasoning", "id": "rs_1"}
    piece = {"type": "output_text", "annotations": []}
    words = [piece | {"text": half} for half in _halves(text)]
    thoughts = [{"type": "summary_text", "text": half} for half in _halves(text)]
    return {
        "words, cut in two": answer(said()["output"][0] | {"content": words}),
        "a citation's title": said(annotations=[cited]),
        "a citation's file": said(annotations=[file]),
        "a refusal": answer(
            said()["output"][0] | {"content": [{"type": "refusal", "refusal": text}]}
        ),
        "a thought": answer({**thought, "summary": [{"type": "summary_text", "text": text}]}),
        "a thought, cut in two": answer({**thought, "summary": thoughts}),
        "arguments": answer({**call, "arguments": text}),
        "what was searched for": answer({**searched, "queries": [text]}),
        "what was found": answer({**searched, "results": [found]}),
        "a provider's arguments": answer({**made, "arguments": text, "output": "-"}),
        "a provider's result": answer({**made, "arguments": "{}", "output": text}),
        "an unknown item": answer({"type": _ITS_NAME, "words": text}),
        "an unknown field": answer(**{_ITS_NAME: text}),
        "metadata": answer(metadata={"note": text}),
    }
