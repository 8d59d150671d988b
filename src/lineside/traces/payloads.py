"""What is too long to stay in the row of its step: kept as a blob, with a reference in its place.

A long text in a row makes every query slow that reads its column, and the same document is told to
a model again and again; as a blob it is kept once.
"""

import base64
import binascii
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import orjson

from lineside.core import NotFound
from lineside.store import digest_of
from lineside.traces.row import JSON_COLUMNS

LONG_CHARACTERS = 32 * 1024
"""A text or JSON value of more characters than this is kept apart from its step."""

MEDIUM_CHARACTERS = 1024
"""Of a picture or sound in base64, so many are enough."""

WHOLE_BYTES_MAX = 64 * 1024 * 1024
"""So much of what was kept apart is put back for one reader; the rest stays a reference."""

START_CHARACTERS = 200
_REFERENCE = "$blob"
_MESSAGES = ("messages_in", "messages_out")
_WORDS_OF_PART = ("type", "id", "name", "mime_type")
_NESTING_MAX = 80

Row = dict[str, Any]
Form = Literal["text", "json", "base64"]


class _Apart:
    """Collects what is taken out of the rows of one batch."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.digests: list[str] = []

    def column(self, name: str, text: str) -> str:
        """The JSON text of a column, without what is too long in it."""
        if name in _MESSAGES:
            if len(text) <= LONG_CHARACTERS and '"media"' not in text:
                return text
            return _dumped(self._messages(orjson.loads(text)))
        if len(text) <= LONG_CHARACTERS:
            return text
        value = orjson.loads(text)
        if name in ("input", "output"):
            return _dumped(self._value(value))
        return _dumped(self._attributes(value))

    def _messages(self, messages: Any) -> Any:
        if not isinstance(messages, list):
            return messages
        return [
            message | {"parts": [self._part(part) for part in message.get("parts") or ()]}
            for message in messages
        ]

    def _part(self, part: Row) -> Row:
        if part.get("type") == "media" and (found := self._medium(part)) is not None:
            return found
        return {
            name: value if name in _WORDS_OF_PART else self._value(value)
            for name, value in part.items()
        }

    def _medium(self, part: Row) -> Row | None:
        """The part with its picture or sound kept apart; nothing where it holds none."""
        data, mime_type = part.get("data"), str(part.get("mime_type") or "")
        uri = part.get("uri")
        if isinstance(uri, str) and uri.startswith("data:") and ";base64," in uri[:200]:
            head, _, data = uri.partition(";base64,")
            mime_type = head.removeprefix("data:")
        if not isinstance(data, str) or len(data) <= MEDIUM_CHARACTERS:
            return None
        try:
            content = base64.b64decode(data, validate=True)
        except binascii.Error:
            return None
        kept = self._keep(content, "base64", mime_type or "application/octet-stream", "")
        others = {name: value for name, value in part.items() if name not in ("uri", "data")}
        return others | {"mime_type": mime_type, "data": kept}

    def _attributes(self, value: Any, depth: int = 0) -> Any:
        """Attributes, or what holds some, in whatever order: only the long values are taken out."""
        if depth < _NESTING_MAX and isinstance(value, dict):
            return {name: self._attributes(one, depth + 1) for name, one in value.items()}
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            return [self._attributes(one, depth + 1) for one in value]
        return self._value(value)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            if len(value) <= LONG_CHARACTERS:
                return value
            start = value[:START_CHARACTERS]
            return self._keep(value.encode(), "text", "text/plain", start)
        if isinstance(value, dict | list):
            content = orjson.dumps(value)
            if len(content) > LONG_CHARACTERS:
                # Four bytes a character at most; the last may be cut in two.
                start = content[: START_CHARACTERS * 4].decode(errors="ignore")[:START_CHARACTERS]
                return self._keep(content, "json", "application/json", start)
        return value

    def _keep(self, content: bytes, form: Form, mime_type: str, start: str) -> Row:
        digest = digest_of(content)
        self.contents[digest] = content
        self.digests.append(digest)
        said = {_REFERENCE: digest, "bytes": len(content), "mime_type": mime_type, "form": form}
        return said | ({"start": start} if start else {})


def set_apart(rows: Sequence[Row], keep: Callable[[Iterable[bytes]], object]) -> list[Row]:
    """The rows with references in place of what is too long; what was taken out is kept.

    In the place of a value stands `{"$blob": digest, "bytes": n, "mime_type": …, "form": …,
    "start": its first 200 characters}`; the row's `blobs` lists the digests.

    Args:
        keep: Makes many contents durable, and is done when it returns.

    Raises:
        Unavailable: They could not be kept; no row may be written.
    """
    apart = _Apart()
    found = []
    for row in rows:
        apart.digests = []
        if _is_short(row):
            found.append(row)
            continue
        changed = {
            name: apart.column(name, row[name]) for name in JSON_COLUMNS if row[name] is not None
        }
        # What a rewritten row could not be given back whole stays where it is.
        stays = [
            one for one in row.get("blobs") or () if any(one in text for text in changed.values())
        ]
        found.append(row | changed | {"blobs": sorted({*apart.digests, *stays}) or None})
    keep(apart.contents.values())
    return found


def _is_short(row: Row) -> bool:
    """Whether nothing can be too long, as is most often so."""
    for name in JSON_COLUMNS:
        text = row[name]
        if text is not None and len(text) > LONG_CHARACTERS:
            return False
    return not any('"media"' in (row[name] or "") for name in _MESSAGES)


class Whole:
    """Puts back what was kept apart, up to a limit over all rows that one reader asks for.

    Only what a row's `blobs` names is put back: what looks like a reference may have been sent.

    Attributes:
        is_used_up: Something was left a reference, as it would have been too much.
    """

    def __init__(self, get: Callable[[str], bytes], *, bytes_max: int = WHOLE_BYTES_MAX) -> None:
        self._get = get
        self._bytes_left = bytes_max
        self.is_used_up = False

    def row(self, row: Row) -> Row:
        """The row as it was before; what is erased meanwhile, or too much, stays a reference."""
        if not row.get("blobs"):
            return row
        named = frozenset(row["blobs"])
        texts = {name: row[name] for name in JSON_COLUMNS if row[name] and _REFERENCE in row[name]}
        return row | {
            name: _dumped(self._put_back(orjson.loads(text), named)) for name, text in texts.items()
        }

    def _put_back(self, value: Any, named: Collection[str], depth: int = 0) -> Any:
        if depth > _NESTING_MAX:
            return value
        if isinstance(value, list):
            return [self._put_back(one, named, depth + 1) for one in value]
        if not isinstance(value, dict):
            return value
        digest = value.get(_REFERENCE)
        if isinstance(digest, str) and digest in named:
            return self._content(value, digest)
        return {name: self._put_back(one, named, depth + 1) for name, one in value.items()}

    def _content(self, reference: Row, digest: str) -> Any:
        if reference["bytes"] > self._bytes_left:
            self.is_used_up = True
            return reference
        try:
            content = self._get(digest)
        except NotFound:
            return reference
        self._bytes_left -= len(content)
        if reference["form"] == "json":
            return orjson.loads(content)
        return (
            content.decode() if reference["form"] == "text" else base64.b64encode(content).decode()
        )


def start_of(value: Any) -> Any:
    """The start of what was kept apart, where only a reference is here; else the value."""
    is_reference = isinstance(value, Mapping) and isinstance(value.get(_REFERENCE), str)
    return value.get("start", "") if is_reference else value


def is_kept_apart(value: Any) -> bool:
    """Whether some of a value, or of what is in it, is only a reference."""
    waiting: list[Iterator[Any]] = [iter((value,))]
    while waiting:
        one = next(waiting[-1], waiting)
        if one is waiting:
            waiting.pop()
        elif isinstance(one, Mapping):
            if isinstance(one.get(_REFERENCE), str):
                return True
            waiting.append(iter(one.values()))
        elif isinstance(one, list | tuple):
            waiting.append(iter(one))
    return False


def _dumped(value: Any) -> str:
    return orjson.dumps(value).decode()
