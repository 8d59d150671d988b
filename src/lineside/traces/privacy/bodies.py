"""Bodies of OTLP, masked before they are kept: every text in them, whatever message it stands in.

Works on any of OTLP's messages: what is one item to its sender, a span or a record of a log, is
refused by itself where it cannot be masked.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any

import orjson

from lineside.traces.otlp import Refusal, refused
from lineside.traces.privacy.aliases import KINDS
from lineside.traces.privacy.masker import NESTING_MAX, Masker, NotMasked

_ITEMS = {"Span", "LogRecord"}
_JSON_ITEMS = {"spans", "logRecords", "log_records"}
_JSON_IDS = {"traceid", "spanid", "parentspanid"}
# In hexadecimal as OTLP has them, or in base64 as generic libraries write them.
_ID = re.compile(r"[0-9a-fA-F]{16}|[0-9a-fA-F]{32}|[A-Za-z0-9+/]{11}=|[A-Za-z0-9+/]{22}==")
_DIGITS = re.compile(r"\d{1,20}")


def mask_protobuf(masker: Masker, message: Any) -> list[Refusal]:
    """Mask a parsed message in place, and take out of it what cannot be masked."""
    message.DiscardUnknownFields()
    refusals: list[Refusal] = []
    _Protobuf(masker, refusals).message(message, 0)
    return refusals


def mask_json(masker: Masker, document: Any) -> tuple[bytes, list[Refusal]]:
    """The same of a message in JSON, written anew."""
    refusals: list[Refusal] = []
    masked = _Json(masker, refusals).value(document, 0)
    try:
        return orjson.dumps(masked), refusals
    except TypeError:  # integers of more than 64 bits, which only Python's own module writes
        return json.dumps(masked).encode(), refusals


def _attempt(work: Callable[[], object], name: str, span_id: str) -> Refusal | None:
    """Do it, or say why not: whatever went wrong, nothing may pass in clear."""
    try:
        work()
    except NotMasked as error:
        return refused(str(error), name, span_id)
    except Exception as error:  # noqa: BLE001 # see above
        return refused(f"it could not be masked: {type(error).__name__}", name, span_id)
    return None


def _bytes(masker: Masker, content: bytes, depth: int) -> bytes:
    """Bytes that are a text are masked like one; others hold nothing that can be read."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return content
    return masker.text(text, depth).encode()


class _Protobuf:
    def __init__(self, masker: Masker, refusals: list[Refusal]) -> None:
        self._masker = masker
        self._refusals = refusals

    def message(self, message: Any, depth: int) -> None:
        for descriptor, value in message.ListFields():
            kind = descriptor.message_type and descriptor.message_type.name
            if kind is None and descriptor.type == descriptor.TYPE_STRING:
                if descriptor.is_repeated:
                    value[:] = [self._masker.text(text) for text in value]
                else:
                    setattr(message, descriptor.name, self._masker.text(value))
            elif kind == "KeyValue":
                for pair in value:
                    self._pair(pair, depth)
            elif kind == "AnyValue":
                self._any(value, depth)
            elif kind is not None and descriptor.is_repeated:
                self._each(value, depth, is_item=kind in _ITEMS)
            elif kind is not None:
                self.message(value, depth)

    def _each(self, messages: Any, depth: int, *, is_item: bool) -> None:
        for place in reversed(range(len(messages))):
            one = messages[place]
            if not is_item and depth > 1:
                self.message(one, depth + 1)  # an event or link: it fails with its span
                continue
            failed = _attempt(lambda one=one: self.message(one, depth + 1), *_named(one))  # type: ignore[misc] # no way to say it
            if failed is not None:
                self._refusals += (
                    [failed] if is_item else [failed._replace(span=said) for said in _items(one)]
                )
                del messages[place]

    def _pair(self, pair: Any, depth: int) -> None:
        mark = self._masker.field(pair.key)
        held = pair.value.WhichOneof("value")
        if pair.key in KINDS and held in ("string_value", "int_value"):
            said = getattr(pair.value, held)
            kept = self._masker.person(KINDS[pair.key], said, pair.key)
            if kept != said:
                pair.value.string_value = str(kept)
        elif mark is not None and pair.value.WhichOneof("value") is not None:
            pair.value.string_value = mark
        else:
            self._any(pair.value, depth + 1)
        pair.key = self._masker.name(pair.key)

    def _any(self, value: Any, depth: int) -> None:
        if depth > NESTING_MAX:
            raise NotMasked(f"it could not be masked: it nests deeper than {NESTING_MAX}")
        match value.WhichOneof("value"):
            case "string_value":
                value.string_value = self._masker.text(value.string_value)
            case "int_value":
                masked = self._masker.number(value.int_value)
                if isinstance(masked, str):
                    value.string_value = masked
            case "bytes_value":
                value.bytes_value = _bytes(self._masker, value.bytes_value, depth)
            case "array_value":
                for item in value.array_value.values:
                    self._any(item, depth + 1)
            case "kvlist_value":
                for pair in value.kvlist_value.values:
                    self._pair(pair, depth + 1)


def _named(message: Any) -> tuple[str, str]:
    span_id = getattr(message, "span_id", b"")
    return getattr(message, "name", "") or getattr(message, "event_name", ""), span_id.hex()


def _items(group: Any) -> list[str]:
    """Every item in a group that is refused as a whole, as its sender would know it."""
    found: list[str] = []
    for descriptor, value in group.ListFields():
        if descriptor.message_type is None or not descriptor.is_repeated:
            continue
        if descriptor.message_type.name in _ITEMS:
            found += [refused("", *_named(one)).span for one in value]
        elif descriptor.message_type.name.startswith("Scope"):
            found += [said for one in value for said in _items(one)]
    return found


def _said_in(value: Any) -> str | int | None:
    """The text or whole number that an attribute in JSON holds, whichever way it is written."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((name, said),) = value.items()
    if name in ("stringValue", "string_value"):
        return said if isinstance(said, str) else None
    is_number = name in ("intValue", "int_value") and _DIGITS.fullmatch(str(said))
    return int(said) if is_number else None


class _Json:
    def __init__(self, masker: Masker, refusals: list[Refusal]) -> None:
        self._masker = masker
        self._refusals = refusals

    def value(self, value: Any, depth: int) -> Any:
        if depth > 4 * NESTING_MAX:
            raise NotMasked(f"it could not be masked: it nests deeper than {NESTING_MAX}")
        if isinstance(value, str):
            return self._masker.text(value)
        if isinstance(value, list):
            return [self.value(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return self._object(value, depth)
        return value

    def _object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        key = value.get("key")
        if isinstance(key, str) and key in KINDS:
            said = _said_in(value.get("value"))
            kept = said if said is None else self._masker.person(KINDS[key], said, key)
            if kept != said:
                return {"key": self._masker.name(key), "value": {"stringValue": str(kept)}}
        mark = self._masker.field(key) if isinstance(key, str) else None
        if mark is not None and value.get("value"):
            return {"key": self._masker.name(key), "value": {"stringValue": mark}}
        number = value.get("intValue", value.get("int_value"))
        if number is not None:
            masked = self._number(number)
            if masked != number:
                return {"stringValue": masked}
        return {
            self._masker.name(name): self._member(name, item, depth + 1)
            for name, item in value.items()
        }

    def _member(self, name: str, value: Any, depth: int) -> Any:
        if name in _JSON_ITEMS and isinstance(value, list):
            return self._items(value, depth)
        if not isinstance(value, str):
            return self.value(value, depth)
        if name.lower().replace("_", "") in _JSON_IDS and _ID.fullmatch(value):
            return value
        if name.lower().endswith(("nano", "intvalue", "int_value")) and _DIGITS.fullmatch(value):
            return value
        if name in ("bytesValue", "bytes_value"):
            return self._base64(value, depth)
        return self._masker.text(value)

    def _items(self, items: list[Any], depth: int) -> list[Any]:
        kept: list[Any] = []
        for item in items:
            said = item if isinstance(item, dict) else {}
            name, span_id = str(said.get("name", "")), str(said.get("spanId", ""))
            failed = _attempt(
                lambda item=item: kept.append(self.value(item, depth)),  # type: ignore[misc] # no way to say it
                name,
                span_id,
            )
            if failed is not None:
                self._refusals.append(failed)
        return kept

    def _number(self, number: Any) -> Any:
        try:
            masked = self._masker.number(int(number))
        except (TypeError, ValueError):
            return number
        return masked if isinstance(masked, str) else number

    def _base64(self, text: str, depth: int) -> str:
        try:
            content = base64.b64decode(text, validate=True)
        except binascii.Error:
            return self._masker.text(text)
        return base64.b64encode(_bytes(self._masker, content, depth)).decode()
