"""The texts of what goes over a wire, as guards judge them: what is not named here is judged too.

A tree is walked through as a whole, so that a field which a wire or a later version brings is
judged unless it is exempt. Exempt are bytes, ids and seals that a provider gave, and the words of a
wire, each only as far as it looks like one.
"""

import re
from typing import Any, Literal

import orjson

from lineside.guardrails import message

NESTING_MAX = 64
_LONG_NUMBER = 10**6
_SHORT = 4_096
_BASE64 = re.compile(r"[A-Za-z0-9+/_\s-]*={0,2}\s*")
_NAME = re.compile(r"[A-Za-z_$~][A-Za-z0-9_-]{0,18}|(?=.{1,40}$)~?[a-z]{1,20}(?:_[a-z]{1,20})*")
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
    "finish_as_sent",
}
_BYTES = {"data", "file_data", "result", "image_url", "url"}
SEALS = {
    *("signature", "sealed", "encrypted_content", "encrypted_index"),
    *("thought_signature", "thoughtSignature"),
}
_FETCHED = {"url", "uri", "image_url", "file_url", "server_url"}
BESIDE = "a field beside the messages"
_SEALED = ("reasoning", "tool_call")
_SAID = {"text", "title", "context", "content", "thinking", "data"}
_JSON = {"arguments", "~input", "input", "output"}
_PIECES = re.compile("(?i)logprobs|token_ids")

May = Literal["change", "come_back", "stay"]


class WireTexts:
    """Texts of a tree, gathered place by place. Let `runs` pass, then `put_back`.

    Args:
        is_guarded: Somebody wants a guard here.
        is_answer: A model made it: addresses in it are no reason to hold all of it back, and
            probabilities of words are left out, since they would tell the words that were masked.

    Attributes:
        runs: Texts that follow each other stand together.
        is_changed: The tree is not as it came.
        left_out: What was, by its name.
    """

    def __init__(self, *, is_guarded: bool, is_answer: bool = False) -> None:
        self._is_guarded, self._is_answer = is_guarded, is_answer
        self._address: May = "change" if is_answer else "stay"
        self._places: list[tuple[Any, Any, str, message.MessageText]] = []
        self.runs: list[list[message.MessageText]] = []
        self.is_changed = False
        self.left_out: set[str] = set()

    def put_back(self) -> bool:
        """Put the texts into the tree as they are by now; say whether it is another for it."""
        for container, key, before, one in self._places:
            if one.text == before:
                continue
            container[key] = quoted(before, one.text) if key == "arguments" else one.text
            self.is_changed = True
            if isinstance(container, dict) and container.get("kind") in _SEALED:
                # A signature seals the words that it was given for.
                container["signature"] = None
            if key == "transcript" and "data" in container:
                # The recording would go on to say what its words say no more.
                container["data"] = ""
                self.left_out.add("audio")
        return self.is_changed

    def alone(self, container: Any, key: Any, place: str, **more: Any) -> None:
        """A text that stands for itself."""
        if container.get(key):
            one = message.MessageText(container[key], place, **more)
            self.runs.append([self._add(container, key, one)])

    def model(self, container: Any) -> None:
        """The name of a model."""
        if not _MODEL.fullmatch(container["model"]):
            self.alone(container, "model", "the name of the model", may="stay")

    def word(self, container: Any, key: str, place: str) -> None:
        """A word of the wire."""
        if container[key] and not _WIRE_WORD.fullmatch(container[key]):
            self.alone(container, key, place, may="stay")

    def name(self, name: str, place: str) -> None:
        """The name of a field."""
        self.runs.append([message.MessageText(name, f"a name in {place}", "stay")])

    def parts(self, parts: list[dict[str, Any]]) -> None:
        """The parts of a message."""
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
                part["logprobs"], self.is_changed = [], True
                self.left_out.add("logprobs")
            if part["extras"]:
                self.value(part, "extras", "a field of a part")

    def _part(self, part: dict[str, Any]) -> None:
        kind = part["kind"]
        if kind == "other":
            self.value(part, "content", "a part of a message")
        elif kind == "media":
            self.alone(part, "name", "the name of a file")
            for name in ("data", "url", "file_id", "mime_type"):
                self.value(part, name, "the address of a picture or file", may=self._address)
        elif kind == "reasoning":
            self.alone(part, "text", "", is_said=True)
            for name in ("signature", "sealed"):
                self.value(part, name, "the seal of a thought", may="stay")
        elif kind == "tool_call":
            self.alone(part, "name", "the name of a tool", may="stay")
            part["arguments"] = unescaped(part["arguments"])
            self.alone(part, "arguments", "", is_said=True)
            for name in ("id", "signature"):
                self.value(part, name, "the id of a call", may="stay")
        else:
            self.value(part, "call_id", "the id of a call", may="stay")
            self.value(part, "name", "the name of a tool", may="stay")
            self.parts(part["parts"])

    def value(
        self,
        container: Any,
        key: Any,
        place: str,
        *,
        may: May = "change",
        name: str = "",
        depth: int = 0,
    ) -> None:
        """Whatever stands at a place; `name` is that of the field it belongs to."""
        value, name = container[key], name or str(key)
        if depth > NESTING_MAX:
            raise TooDeep
        if isinstance(value, dict):
            place = "`metadata`" if name == "metadata" else place
            self._leave_out(value)
            for inner in value:
                if not _NAME.fullmatch(inner):
                    self.name(inner, place)
                self.value(value, inner, place, may=may, depth=depth + 1)
        elif isinstance(value, list):
            self._items(value, place, name, may, depth)
        elif isinstance(value, str) and value and not _is_exempt(container, name, place, value):
            if name in _JSON:
                value = container[key] = unescaped(value)
            is_fixed = not self._is_answer and (name in _FETCHED or name in _WIRE_WORDS)
            one = message.MessageText(value, place, "stay" if is_fixed else may)
            one.label = f"{name}: " if isinstance(key, str) and _TELLING.search(name) else ""
            one.is_said = name in _SAID and may == "change"
            self.runs.append([self._add(container, key, one)])
        elif _is_long(value):
            one = message.MessageText(str(value), place, may)
            self.runs.append([self._add(container, key, one)])

    def _items(self, items: list[Any], place: str, name: str, may: May, depth: int) -> None:
        """Parts of a list that have a text each, one after the other, are one run."""
        run: list[message.MessageText] = []
        for at, item in enumerate(items):
            begun = len(self.runs)
            self.value(items, at, place, may=may, name=name, depth=depth + 1)
            text = item.get("text") if isinstance(item, dict) else None
            found = [place for place in range(begun, len(self.runs)) if text]
            own = next((one for one in found if self.runs[one][0].text == text), None)
            if own is None:
                run = []
            elif run:
                run += self.runs.pop(own)
            else:
                run = self.runs[own]

    def _leave_out(self, fields: dict[str, Any]) -> None:
        """Leave out what tells the words of an answer once more, in pieces nobody can judge."""
        if not (self._is_guarded and self._is_answer):
            return
        told = [name for name in fields if fields[name] and _PIECES.search(name)]
        for name in told:
            del fields[name]
            self.is_changed = True
            self.left_out.add(name.strip("~"))

    def _add(self, container: Any, key: Any, one: message.MessageText) -> message.MessageText:
        self._places.append((container, key, one.text, one))
        return one


class TooDeep(ValueError):
    """It nests deeper than anybody needs."""


def is_usual(name: str) -> bool:
    """Whether the name of a field says no more than a name of a field."""
    return _NAME.fullmatch(name) is not None


def _is_exempt(container: Any, name: str, place: str, value: str) -> bool:
    if name in _WIRE_WORDS and _WIRE_WORD.fullmatch(value):
        return True
    if place == "`metadata`":
        return False  # the caller's own, whatever it is called
    is_beside = place == BESIDE  # where few ids of a provider stand
    if name in ("id", "container") or (not is_beside and name.endswith(("_id", "_ids", "Id"))):
        return _ID.fullmatch(value) is not None
    if name in SEALS:
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


def unescaped(arguments: str) -> str:
    """JSON with its signs as themselves, so that none of them hides what they spell."""
    if "\\u" not in arguments and "\\/" not in arguments:
        return arguments
    try:
        return orjson.dumps(orjson.loads(arguments)).decode()
    except orjson.JSONDecodeError:
        return arguments


def quoted(before: str, arguments: str) -> str:
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
