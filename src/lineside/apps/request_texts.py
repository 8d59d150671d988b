"""Every text of a request to a model, as guards judge it: what is not named here is judged too.

The request is walked through as a whole, so that a field which a wire or a later version brings is
judged unless it is exempt. Exempt are bytes, ids and seals that a provider gave, and the words of a
wire, each only as far as it looks like one.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal

import orjson

from lineside.core import Denied
from lineside.gateway import canonical
from lineside.guardrails import message

NESTING_MAX = 64
_LONG_NUMBER = 10**6
_SHORT = 4_096
_BASE64 = re.compile(r"[A-Za-z0-9+/_\s-]*={0,2}\s*")
_NAME = re.compile(r"[A-Za-z_$~][A-Za-z0-9_-]{0,18}")
_WIRE_WORD = re.compile(r"[a-z][a-z0-9]{0,15}(?:[_./-][a-z0-9]{1,16})*")
_MODEL = re.compile(r"[A-Za-z0-9_./:-]*[A-Za-z][A-Za-z0-9_./:-]*")
_ID = re.compile(r"[A-Za-z0-9_-]*[A-Za-z][A-Za-z0-9_-]*")
_TELLING = re.compile(r"(?i)pass|pwd|secret|token|key|authorization")
_UNQUOTED = re.compile(r'(?<![\w"\\])\[(?:[A-Z_]+_\d+|masked:\w+)\](?![\w"\\])')

_WIRE_WORDS = {
    *("type", "role", "status", "object", "detail", "format", "effort", "mode", "ttl", "size"),
    *("media_type", "mime_type", "service_tier", "verbosity", "truncation", "summary", "syntax"),
    *("include", "modalities", "betas", "voice", "quality", "execution", "search_context_size"),
    *("~type", "~detail", "~field", "~also", "~limit", "~stop", "~input"),
}
_BYTES = {"data", "file_data", "result", "image_url", "url"}
_SEALS = {"signature", "sealed", "encrypted_content", "encrypted_index", "thought_signature"}
_FETCHED = {"url", "uri", "image_url", "file_url", "server_url"}
_BESIDE = "a field beside the messages"
_SEALED = ("reasoning", "tool_call")
_SAID = {"text", "title", "context", "content", "thinking", "data"}
_VALUES = {"enum", "const", "default", "examples", "example"}
_NAMED = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}


_May = Literal["change", "come_back", "stay"]


class RequestTexts:
    """The texts of one request. Let `runs` pass, then take `request`.

    Attributes:
        runs: Texts that follow each other stand together.
    """

    def __init__(self, request: canonical.ModelRequest, *, is_guarded: bool) -> None:
        self._request, self._is_guarded = request, is_guarded
        self._is_changed = False
        self._places: list[tuple[Any, Any, str, message.MessageText]] = []
        self.runs: list[list[message.MessageText]] = []
        try:
            self._tree = request.model_dump(mode="json")
            for turn in ([self._tree["system"]] if request.system else []) + self._tree["turns"]:
                self._turn(turn)
            self._asked()
        except ValueError:  # pydantic's own, where it goes past its own depth
            if is_guarded:
                raise Denied(
                    "guard_denied",
                    f"The request nests deeper than {NESTING_MAX}, no guard looks through it",
                    hint="Send it flatter.",
                ) from None

    @property
    def texts(self) -> Iterator[str]:
        """All of them as they are by now."""
        return (one.text for run in self.runs for one in run)

    @property
    def request(self) -> canonical.ModelRequest:
        """The request with its texts as they are by now."""
        for container, key, before, one in self._places:
            if one.text != before:
                container[key] = one.text
                self._is_changed = True
                if key == "arguments":
                    container[key] = _quoted(before, one.text)
                if isinstance(container, dict) and container.get("kind") in _SEALED:
                    # A signature seals the words that it was given for.
                    container["signature"] = None
        if not self._is_changed:
            return self._request
        return canonical.ModelRequest.model_validate(self._tree)

    def _add(self, container: Any, key: Any, one: message.MessageText) -> message.MessageText:
        self._places.append((container, key, one.text, one))
        return one

    def _alone(self, container: Any, key: Any, place: str, **more: Any) -> None:
        if container.get(key):
            one = message.MessageText(container[key], place, **more)
            self.runs.append([self._add(container, key, one)])

    def _asked(self) -> None:
        tree = self._tree
        if not _MODEL.fullmatch(tree["model"]):
            self._alone(tree, "model", "the name of the model", may="stay")
        self._alone(tree, "user", "`user`")
        if tree["stop"]:
            self._value(tree, "stop", "`stop`", may="come_back")
        if tree["reasoning_effort"] and not _WIRE_WORD.fullmatch(tree["reasoning_effort"]):
            self._alone(tree, "reasoning_effort", "the effort of reasoning", may="stay")
        for tool in tree["tools"]:
            self._alone(tool, "name", "the name of a tool", may="stay")
            self._alone(tool, "description", "the description of a tool")
            self._schema(tool, "schema_of_arguments", "the schema of a tool")
            self._value(tool, "hosted", "a tool of the provider", may="stay")
            self._value(tool, "extras", "a tool")
        if choice := tree["tool_choice"]:
            self._alone(choice, "name", "the name of a tool", may="stay")
            self._value(choice, "extras", "the choice of a tool")
        if form := tree["answer_form"]:
            self._alone(form, "name", "the name of the answer's form", may="stay")
            self._schema(form, "json_schema", "the schema of the answer")
            self._value(form, "extras", "the form of the answer")
        if tree["extras"]:
            self._value(tree, "extras", _BESIDE)

    def _turn(self, turn: dict[str, Any]) -> None:
        self._parts(turn["parts"])
        if turn["extras"]:
            self._value(turn, "extras", "a field of a message")

    def _parts(self, parts: list[dict[str, Any]]) -> None:
        run: list[message.MessageText] = []
        for part in parts:
            if part["kind"] != "text":
                run = []
                self._part(part)
            elif part["text"]:
                if not run:
                    self.runs.append(run)
                run.append(self._add(part, "text", message.MessageText(part["text"], is_said=True)))
            if part["kind"] == "text" and part["logprobs"] and self._is_guarded:
                # Words of an earlier answer once more, torn into pieces that nobody can judge.
                part["logprobs"], self._is_changed = [], True
            if part["extras"]:
                self._value(part, "extras", "a field of a part")

    def _part(self, part: dict[str, Any]) -> None:
        kind = part["kind"]
        if kind == "other":
            self._value(part, "content", "a part of a message")
        elif kind == "media":
            self._alone(part, "name", "the name of a file")
            for name in ("data", "url", "file_id", "mime_type"):
                self._value(part, name, "the address of a picture or file", may="stay")
        elif kind == "reasoning":
            self._alone(part, "text", "", is_said=True)
            for name in ("signature", "sealed"):
                self._value(part, name, "the seal of a thought", may="stay")
        elif kind == "tool_call":
            self._alone(part, "name", "the name of a tool", may="stay")
            part["arguments"] = _unescaped(part["arguments"])
            self._alone(part, "arguments", "", is_said=True)
            for name in ("id", "signature"):
                self._value(part, name, "the id of a call", may="stay")
        else:
            self._value(part, "call_id", "the id of a call", may="stay")
            self._value(part, "name", "the name of a tool", may="stay")
            self._parts(part["parts"])

    def _value(
        self,
        container: Any,
        key: Any,
        place: str,
        *,
        may: _May = "change",
        name: str = "",
        depth: int = 0,
    ) -> None:
        """Whatever stands at a place; `name` is that of the field it belongs to."""
        value, name = container[key], name or str(key)
        if depth > NESTING_MAX:
            raise _TooDeep
        if isinstance(value, dict):
            place = "`metadata`" if name == "metadata" else place
            for inner in value:
                if not _NAME.fullmatch(inner):
                    self._name(inner, place)
                self._value(value, inner, place, may=may, depth=depth + 1)
        elif isinstance(value, list):
            self._items(value, place, name, may, depth)
        elif isinstance(value, str) and value and not _is_exempt(container, name, place, value):
            is_fixed = name in _FETCHED or name in _WIRE_WORDS
            one = message.MessageText(value, place, "stay" if is_fixed else may)
            one.label = f"{name}: " if isinstance(key, str) and _TELLING.search(name) else ""
            one.is_said = name in _SAID and may == "change"
            self.runs.append([self._add(container, key, one)])
        elif _is_long(value):
            one = message.MessageText(str(value), place, may)
            self.runs.append([self._add(container, key, one)])

    def _items(self, items: list[Any], place: str, name: str, may: _May, depth: int) -> None:
        """Parts of a list that have a text each, one after the other, are one run."""
        run: list[message.MessageText] = []
        for at, item in enumerate(items):
            begun = len(self.runs)
            self._value(items, at, place, may=may, name=name, depth=depth + 1)
            text = item.get("text") if isinstance(item, dict) else None
            found = [place for place in range(begun, len(self.runs)) if text]
            own = next((one for one in found if self.runs[one][0].text == text), None)
            if own is None:
                run = []
            elif run:
                run += self.runs.pop(own)
            else:
                run = self.runs[own]

    def _schema(self, container: Any, key: Any, place: str, name: str = "", depth: int = 0) -> None:
        """A JSON Schema: what describes may change, what an answer gives back must come back."""
        schema, name = container[key], name or str(key)
        if depth > NESTING_MAX:
            raise _TooDeep
        if isinstance(schema, list):
            for at in range(len(schema)):
                self._schema(schema, at, place, name, depth + 1)
        elif isinstance(schema, dict):
            for called in schema:
                if name in _NAMED or not _NAME.fullmatch(called):
                    self._name(called, place)
                if called in _VALUES and name not in _NAMED:
                    self._value(schema, called, place, may="come_back", depth=depth + 1)
                else:
                    self._schema(schema, called, place, depth=depth + 1)
        elif isinstance(schema, str):
            may: _May = "change" if name in ("description", "title", "$comment") else "stay"
            self._value(container, key, place, may=may, name=name)

    def _name(self, name: str, place: str) -> None:
        self.runs.append([message.MessageText(name, f"a name in {place}", "stay")])


class _TooDeep(ValueError):
    """The request nests deeper than anybody needs."""


def _is_exempt(container: Any, name: str, place: str, value: str) -> bool:
    if name in _WIRE_WORDS and _WIRE_WORD.fullmatch(value):
        return True
    if place == "`metadata`":
        return False  # the caller's own, whatever it is called
    is_beside = place == _BESIDE  # where few ids of a provider stand
    if name in ("id", "container") or (not is_beside and name.endswith(("_id", "_ids", "Id"))):
        return _ID.fullmatch(value) is not None
    if name in _SEALS:
        return _is_opaque(value)
    if name in _BYTES:
        head, comma, _ = value[:256].partition(";base64,")
        if comma:
            return "@" not in head and _is_opaque(value[len(head) + len(comma) :])
        is_text = isinstance(container, dict) and container.get("type") == "text"
        return name != "url" and not is_text and _is_opaque(value)
    return False


def _is_opaque(value: str) -> bool:
    """Whether it can be base64; a quick look where it is long, since it may be megabytes."""
    if len(value) <= _SHORT:
        return _BASE64.fullmatch(value) is not None
    return value.isascii() and not any(sign in value for sign in "@ :")


def _is_long(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LONG_NUMBER


def _unescaped(arguments: str) -> str:
    """JSON with its signs as themselves, so that none of them hides what they spell."""
    if "\\u" not in arguments and "\\/" not in arguments:
        return arguments
    try:
        return orjson.dumps(orjson.loads(arguments)).decode()
    except orjson.JSONDecodeError:
        return arguments


def _quoted(before: str, arguments: str) -> str:
    """Arguments with marks as texts, also where they took the place of numbers."""
    try:
        orjson.loads(before)
    except orjson.JSONDecodeError:
        return arguments
    try:
        orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return _UNQUOTED.sub(lambda match: f'"{match.group()}"', arguments)
    return arguments
