"""Where masking stands: before a body or a span goes to the disk, in workspaces that have rules."""

import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from lineside.core import Invalid, LinesideError
from lineside.store import Store
from lineside.traces.json_values import parsed_json
from lineside.traces.mapping import RawSpan, fields_of
from lineside.traces.otlp import Refusal
from lineside.traces.privacy import queries
from lineside.traces.privacy.aliases import KINDS, alias_names, aliases_of, is_alias
from lineside.traces.privacy.bodies import mask_json, mask_protobuf
from lineside.traces.privacy.masker import Masked, Masker, NotMasked
from lineside.traces.privacy.patterns import BUILT_IN, found_in
from lineside.traces.span import Message, Span

_KNOWN_SECONDS = 1.0
_KEPT_AS_IT_IS = {
    "trace_id",
    "span_id",
    "parent_span_id",
    "kind",
    "status",
    "started_at",
    "use_case",
    "release",
    "arm",
    "run_id",
    "case_id",
    "cost_source",
}
_RAW_KEPT = {"span_kind", "start_ns", "end_ns", "status_code"}
_LINK_KEPT = {"trace_id", "span_id", "time_ns"}
_DERIVED_KEPT = {"use_case", "trace_id", "span_id", "parent_span_id"}
_CALLED_ON_EVENTS = {
    "name": "gen_ai.evaluation.name",
    "label": "gen_ai.evaluation.score.label",
    "explanation": "gen_ai.evaluation.explanation",
    "session_id": "session.id",
}

_known: "WeakKeyDictionary[Store, dict[str, tuple[float, Masker | None]]]" = WeakKeyDictionary()
_lock = Lock()


def masker_of(store: Store, workspace: str) -> Masker | None:
    """What masks in this workspace, a second old at most; nothing where there are no rules."""
    with _lock:
        known = _known.setdefault(store, {})
        read_at, masker = known.get(workspace, (0.0, None))
        if read_at and time.monotonic() - read_at < _KNOWN_SECONDS:
            return masker
        with store.records.read() as connection:
            rows = queries.select_rules(connection, workspace)
        rules = [
            Masked.model_validate({name: row[name] for name in Masked.model_fields}) for row in rows
        ]
        masker = Masker(rules, aliases_of(store, workspace)) if rules else None
        known[workspace] = (time.monotonic(), masker)
        return masker


def rules_changed(store: Store) -> None:
    """Let this process read the rules anew before anything else is kept."""
    with _lock:
        _known.pop(store, None)


def masked_body(
    masker: Masker, body: bytes, *, parsed: Callable[[bytes], Any] | None
) -> tuple[bytes, Sequence[Refusal]]:
    """An OTLP message without what the rules name, and the items that had to be left out.

    Args:
        parsed: Reads the message in protobuf; nothing where it is JSON.

    Raises:
        Invalid: The body as a whole cannot be read.
    """
    if parsed is not None:
        message = parsed(body)
        refusals = mask_protobuf(masker, message)
        return message.SerializeToString(), refusals
    try:
        return mask_json(masker, parsed_json(body))
    except LinesideError:
        raise
    except Exception as error:  # noqa: BLE001 # whatever it was, nothing may pass in clear
        raise _not_masked("Nothing of the body was kept", error) from None


def masked_span(masker: Masker, span: Span) -> dict[str, Any]:
    """Fields of a span without what the rules name.

    What was derived from a received span is derived again, so that a field that is masked in what
    was received is masked wherever its value went.

    Raises:
        Invalid: It could not be masked; nothing of it may be kept.
    """
    try:
        return _masked(masker, span)
    except Exception as error:  # noqa: BLE001 # whatever it was, nothing may pass in clear
        what = f"The step `{span.name[:80]}` ({span.span_id}) was not kept"
        raise _not_masked(what, error) from None


def masked_id(
    store: Store, workspace: str, name: str, value: str, *, found: Callable[[str], str | None]
) -> str:
    """The id of a user or session as a step of our own may keep it.

    Args:
        name: `user_id` or `session_id`.
        found: What guards of the call see in it, by its kind; asked where no rule sees anything.

    Raises:
        Invalid: It could not be masked; nothing of it may be kept.
    """
    masked: str = masked_words(store, workspace, **{name: value})[name]
    rule = found(value) if masked == value else None
    if rule is None or is_alias(value):
        return masked
    return aliases_of(store, workspace).alias(KINDS[name], value, rule)


def names_kept(store: Store, workspace: str, name: str, value: str) -> list[str]:
    """The names under which an id may be found: its own, and its aliases as rules and guards are.

    Only its own where nothing is found in it, as in most.

    Args:
        name: `user_id` or `session_id`.
    """
    masker = masker_of(store, workspace)
    rules = [kind for _, _, kind in found_in(value, BUILT_IN)]  # as guards name them
    if masker is not None:
        rules += masker.rules_on(value)
    return alias_names(KINDS[name], value, aliases_of(store, workspace), rules)


def masked_words(store: Store, workspace: str, **said: Any) -> dict[str, Any]:
    """What people and programs say of a trace, without what the workspace's rules name.

    Args:
        said: Value by the name of its field, which a rule may name as well: as it is called here,
            or as OpenTelemetry calls it on a score.

    Raises:
        Invalid: It could not be masked; nothing of it may be kept.
    """
    masker = masker_of(store, workspace)
    if masker is None:
        return said
    try:
        return {name: _words(masker, name, value) for name, value in said.items()}
    except Exception as error:  # noqa: BLE001 # whatever it was, nothing may pass in clear
        raise _not_masked("Nothing of it was kept", error) from None


def _not_masked(what: str, error: Exception) -> Invalid:
    why = str(error) if isinstance(error, NotMasked) else type(error).__name__
    return Invalid(
        "not_masked",
        f"{what}: {why}",
        hint="A rule of `lineside privacy rules` could not be applied to it.",
    )


def _words(masker: Masker, name: str, value: Any) -> Any:
    if value is None:
        return None
    called = _CALLED_ON_EVENTS.get(name)
    if name in KINDS and isinstance(value, str):
        return masker.person(KINDS[name], value, name, *([called] if called else []))
    mark = masker.field(name) or (masker.field(called) if called else None)
    if mark is not None and isinstance(value, dict):
        return dict.fromkeys(value, mark)
    return mark or masker.value(value)


def _masked(masker: Masker, span: Span) -> dict[str, Any]:
    fields = dict(vars(span))
    if span.raw is not None:
        raw = {name: _raw_part(masker, name, value) for name, value in span.raw.items()}
        if raw != span.raw:
            fields["raw"] = raw
            if span.mapping and "start_ns" in raw:
                name = masker.text(span.name)
                anew = fields_of(RawSpan(span.trace_id, span.span_id, name, **raw | _parent(span)))
                fields |= {key: value for key, value in anew.items() if key not in _DERIVED_KEPT}
    return {name: _field(masker, name, value) for name, value in fields.items()}


def _parent(span: Span) -> dict[str, Any]:
    return {"parent_span_id": span.parent_span_id}


def _raw_part(masker: Masker, name: str, value: Any) -> Any:
    if name in _RAW_KEPT:
        return value
    if name in ("events", "links") and isinstance(value, list):
        return [
            {
                key: item if key in _LINK_KEPT else masker.value(item)
                for key, item in (one.items() if isinstance(one, dict) else ())
            }
            for one in value
        ]
    return masker.value(value)


def _field(masker: Masker, name: str, value: Any) -> Any:
    if value is None or name in _KEPT_AS_IT_IS or name == "raw":
        return value
    if name in KINDS:
        return masker.person(KINDS[name], value, name)
    mark = masker.field(name)
    if name in ("messages_in", "messages_out"):
        if mark is not None:
            return [Message(role="user", parts=[{"type": "text", "content": mark}])]
        return [
            one.model_copy(update={"parts": masker.value(one.parts)})
            for one in (Message.model_validate(said) for said in value)
        ]
    if isinstance(value, str) or (mark is not None and name in ("input", "output")):
        return mark or masker.text(value)
    if name in ("input", "output", "attributes"):
        return masker.value(value)
    return value
