"""Where in a request a probe is put: every kind of part, and fields beside the messages."""

from typing import Any

Places = dict[str, dict[str, Any]]
_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
_ITS_NAME = "no-such-field"


def _user(*content: Any, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content), **fields}]}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _described(text: str) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": {"type": "string", "description": text}}}


def _halves(text: str) -> list[dict[str, Any]]:
    half = len(text) // 2
    return [_text(text[:half]), _text(text[half:])]


def chat_places(text: str) -> Places:
    """What a request of Chat Completions holds, by where the text stands in it."""
    call = {"id": "call_1", "type": "function", "function": {"name": "a", "arguments": text}}
    form = {"name": "a", "schema": _SCHEMA}

    def tool(**function: Any) -> dict[str, Any]:
        function = {"name": "a", "parameters": _SCHEMA} | function
        return {"tools": [{"type": "function", "function": function}]}

    return {
        "two parts": _user(*_halves(text)),
        "a picture's address": _user(
            {"type": "image_url", "image_url": {"url": f"https://x/{text}"}}
        ),
        "a file's name": _user({"type": "file", "file": {"file_id": "file-1", "filename": text}}),
        "an unknown part": _user({"type": _ITS_NAME, "words": text}),
        "a message's name": _user(_text("-"), name=text),
        "a message's unknown field": _user(_text("-"), **{_ITS_NAME: text}),
        "arguments": {"messages": [{"role": "assistant", "tool_calls": [call]}]},
        "a tool's result": {"messages": [{"role": "tool", "tool_call_id": "1", "content": text}]},
        "a tool's name": tool(name=text),
        "a tool's description": tool(description=text),
        "a tool's schema": tool(parameters=_described(text)),
        "a tool's choices": tool(parameters={"enum": [text]}),
        "the form's description": {
            "response_format": {"type": "json_schema", "json_schema": {**form, "description": text}}
        },
        "prediction": {"prediction": {"type": "content", "content": text}},
        "metadata": {"metadata": {"note": text}},
        "user": {"user": text},
        "stop": {"stop": [text]},
        "web_search_options": {
            "web_search_options": {"user_location": {"approximate": {"city": text}}}
        },
        "an unknown field": {_ITS_NAME: [text]},
    }


def messages_places(text: str) -> Places:
    """What a request of Messages holds, by where the text stands in it."""
    source = {"type": "text", "media_type": "text/plain", "data": "-"}
    plain: dict[str, Any] = {"type": "document", "source": source}
    document = {**plain, "source": {**source, "data": text}}
    search = {"type": "search_result", "source": "-", "title": "-", "content": [_text(text)]}
    result = {"type": "tool_result", "tool_use_id": "1"}
    call = {"type": "server_tool_use", "id": "1", "name": "web_search", "input": {"query": text}}
    found = {"type": "web_search_result", "title": text, "url": "-", "encrypted_content": "-"}
    return {
        "system": {"system": [_text(text)]},
        "two parts": _user(*_halves(text)),
        "a document": _user(document),
        "a document's title": _user({**plain, "title": text}),
        "a document's context": _user({**plain, "context": text}),
        "a document's parts": _user(
            {"type": "document", "source": {"type": "content", "content": _halves(text)}}
        ),
        "a search result": _user(search),
        "a result's document": _user({**result, "content": [document]}),
        "a result's search result": _user({**result, "content": [search]}),
        "a provider's tool": {"messages": [{"role": "assistant", "content": [call]}]},
        "a provider's result": _user(
            {"type": "web_search_tool_result", "tool_use_id": "1", "content": [found]}
        ),
        "an unknown part": _user({"type": _ITS_NAME, "words": text}),
        "a tool's description": {
            "tools": [{"name": "a", "description": text, "input_schema": _SCHEMA}]
        },
        "a tool's schema": {"tools": [{"name": "a", "input_schema": _described(text)}]},
        "mcp_servers": {"mcp_servers": [{"type": "url", "url": "-", "name": text}]},
        "metadata": {"metadata": {"user_id": text}},
        "stop": {"stop_sequences": [text]},
        "an unknown field": {_ITS_NAME: {"words": text}},
    }


def responses_places(text: str) -> Places:
    """What a request of Responses holds, by where the text stands in it."""
    words = [{"type": "summary_text", "text": text}]
    thought = {"type": "reasoning", "id": "rs_1", "summary": words}
    file = {"type": "input_file", "file_id": "file-1", "filename": text}
    return {
        "instructions": {"instructions": text},
        "a thought": {"input": [thought]},
        "a file's name": {"input": [{"role": "user", "content": [file]}]},
        "a tool's result": {
            "input": [{"type": "function_call_output", "call_id": "1", "output": text}]
        },
        "an unknown item": {"input": [{"type": _ITS_NAME, "words": text}]},
        "a tool's schema": {
            "tools": [{"type": "function", "name": "a", "parameters": _described(text)}]
        },
        "a provider's tool": {"tools": [{"type": "mcp", "server_description": text}]},
        "metadata": {"metadata": {"note": text}},
        "user": {"user": text},
        "an unknown field": {_ITS_NAME: text},
    }
