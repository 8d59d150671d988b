"""What programs put on a step beside its work: tags, and what somebody says of it. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from lineside.traces.conventions.values import (
    as_dict,
    first,
    nested,
    parsed,
    text,
    whole_or_flat,
)

Target = Literal["span", "trace", "session"]

_TAGS = (
    "tag.tags",  # OpenInference
    "langfuse.trace.tags",
    "logfire.tags",
    "braintrust.tags",
    "langsmith.span.tags",
)
_TAGS_MAX = 50
_TAG_CHARACTERS_MAX = 200
_SAID: dict[str, Target] = {
    "annotations.": "span",
    "evaluations.": "span",
    "trace.annotations.": "trace",
    "trace.evaluations.": "trace",
    "session.annotations.": "session",
    "session.evaluations.": "session",
}
_PREFIXES = tuple(_SAID)
_SCORES = "braintrust.scores"
_SCORES_MAX = 1_000


class Remark(NamedTuple):
    """What somebody says of a step, of its trace or of its session, by attributes of the step."""

    target: Target
    name: Any
    value: Any = None
    label: Any = None
    why: Any = None
    kind: Any = None
    identifier: Any = None
    metadata: Any = None


def tags_in(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """The tags that a step was sent with, each once; at most 50 of them, cut to 200 characters."""
    found: dict[str, None] = {}
    for name in _TAGS:
        if name not in attributes:
            continue
        value = parsed(attributes[name])
        if isinstance(value, str):
            value = value.split(",")
        for tag in value if isinstance(value, list) else ():
            words = text(tag)
            if words is not None and words.strip():
                found[words.strip()[:_TAG_CHARACTERS_MAX]] = None
    return tuple(found)[:_TAGS_MAX]


def may_hold_remarks(words: str) -> bool:
    """Whether a text may hold a name that `remarks_in` reads, found out at a glance."""
    return "annotation." in words or "evaluation." in words or _SCORES in words


def remarks_in(attributes: Mapping[str, Any]) -> Iterator[Remark]:
    """Annotations and evaluations as OpenInference has them, and Braintrust's scores."""
    leaves: dict[str, list[tuple[str, Any]]] = {}
    for name, value in attributes.items():
        if name.startswith(_PREFIXES):
            prefix = next(one for one in _PREFIXES if name.startswith(one))
            leaves.setdefault(prefix, []).append((name.removeprefix(prefix), value))
    for prefix, found in leaves.items():
        tree = nested(found)
        # One odd name among them makes no list of it.
        items = list(tree.values()) if isinstance(tree, dict) else tree
        for item in items[:_SCORES_MAX] if isinstance(items, list) else ():
            said = as_dict(first(as_dict(item), "annotation", "evaluation"))
            if said:
                yield Remark(
                    _SAID[prefix],
                    said.get("name"),
                    said.get("score"),
                    said.get("label"),
                    said.get("explanation"),
                    said.get("annotator_kind"),
                    said.get("identifier"),
                    said.get("metadata"),
                )
    for name, value in list(whole_or_flat(attributes, _SCORES).items())[:_SCORES_MAX]:
        if value is not None:  # a scorer that gave none
            yield Remark("span", name, value)
