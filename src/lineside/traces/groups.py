"""Walks a message of OTLP down to its items: logs and metrics are packed alike."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from lineside.core import Invalid
from lineside.traces.json_values import (
    attributes_in,
    get,
    groups_in,
    object_in,
    objects_in,
    text_in,
)
from lineside.traces.otlp import NotASpan, Refusal, attributes_of


class Packed(NamedTuple):
    """One item of a message, not read yet, with what it has in common with its neighbours."""

    item: Any
    resource: dict[str, Any]
    scope: dict[str, Any]
    schema_url: str


class Layout(NamedTuple):
    """How one kind of message is packed: names in protobuf, with those in JSON derived from them.

    Attributes:
        what: What the message is called in errors, such as `logs`.
    """

    what: str
    groups: str
    scoped: str
    items: str


def parsed_protobuf(request_class: Any, body: bytes, layout: Layout) -> Any:
    """The message in a body.

    Raises:
        Invalid: These bytes are no such message, or a text in it is not UTF-8.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # has none

    try:
        return request_class.FromString(body)
    except DecodeError as error:
        raise Invalid(
            f"not_otlp_{layout.what}",
            f"The body is not an OTLP {layout.what} message in protobuf: {error}",
            hint=f"Nothing was kept. Send an {request_class.DESCRIPTOR.name}, its texts in UTF-8.",
        ) from None


def walk_protobuf(message: Any, layout: Layout) -> Iterator[Packed]:
    """Every item of a message in protobuf."""
    for group in getattr(message, layout.groups):
        resource = attributes_of(group.resource.attributes)
        for scoped in getattr(group, layout.scoped):
            scope = {
                "name": scoped.scope.name,
                "version": scoped.scope.version,
                "attributes": attributes_of(scoped.scope.attributes),
            }
            schema_url = scoped.schema_url or group.schema_url
            for item in getattr(scoped, layout.items):
                yield Packed(item, resource, scope, schema_url)


def walk_json(document: Any, layout: Layout) -> Iterator[Packed | Refusal]:
    """Every item of a message in JSON; a group that cannot be read is refused as a whole.

    Raises:
        Invalid: It is not the shape of such a message.
    """
    try:
        groups = groups_in(document, *_names(layout.groups))
    except NotASpan as error:
        raise Invalid(
            f"not_otlp_{layout.what}",
            f"The body is JSON but not an OTLP {layout.what} message: {error}",
            hint=f'Send {{"{_names(layout.groups)[0]}": [...]}}. Nothing was kept.',
        ) from None
    for group in groups:
        try:
            yield from list(_walk_group(group, layout))
        except NotASpan as error:
            yield Refusal(str(error), "a whole resource")


def _walk_group(group: dict[str, Any], layout: Layout) -> Iterator[Packed]:
    resource = attributes_in(object_in(group, "resource"))
    for scoped in objects_in(group, *_names(layout.scoped)):
        head = object_in(scoped, "scope")
        scope = {
            "name": text_in(head, "name"),
            "version": text_in(head, "version"),
            "attributes": attributes_in(head),
        }
        schema_url = text_in(scoped, "schemaUrl", "schema_url") or text_in(
            group, "schemaUrl", "schema_url"
        )
        items = get(scoped, *_names(layout.items)) or []
        if not isinstance(items, list):
            raise NotASpan(f"{layout.items} is {type(items).__name__}, expected a list")
        for item in items:
            yield Packed(item, resource, scope, schema_url)


def _names(name: str) -> tuple[str, str]:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest), name
