"""Settings that people may turn, within the range that was declared and tested."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from lineside.core import Denied, Invalid, did_you_mean
from lineside.usecases import Knob


def turn_knobs(knobs: Sequence[Knob], turned: Mapping[str, Any], *, who: str) -> dict[str, Any]:
    """Check settings against what the manifest declares and return them.

    Args:
        who: `user` for settings that come with a call, `operator` for those of a deployment. An
            operator may turn every knob, a user only those that say `who: user`.

    Raises:
        Invalid: No knob has this name, or the value is outside its range.
        Denied: The knob is not this person's to turn.
    """
    by_name = {knob.name: knob for knob in knobs}
    for name, value in turned.items():
        knob = by_name.get(name)
        if knob is None:
            near = did_you_mean(name, by_name)
            known = ", ".join(by_name) or "none"
            raise Invalid(
                "unknown_knob",
                f"No knob is called `{name}`; this app has: {known}",
                hint=f"Did you mean `{near}`?" if near else None,
            )
        if who == "user" and knob.who != "user":
            raise Denied(
                "knob_not_yours",
                f"The knob `{name}` is turned by the {knob.who}, not with a call",
                hint=f"Set it when deploying: `lineside deploy … --knob {name}={value}`.",
            )
        _check_value(knob, value)
    return dict(turned)


def parse_knob(knobs: Sequence[Knob], name: str, text: str) -> Any:
    """Read a knob's value as it is typed on a command line."""
    knob = next((knob for knob in knobs if knob.name == name), None)
    if knob is None or knob.kind not in ("number", "boolean"):
        return text
    if knob.kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return float(text)
    except ValueError:
        return text


def settings_of(
    knobs: Sequence[Knob], operator: Mapping[str, Any], user: Mapping[str, Any]
) -> dict[str, Any]:
    """Every knob with the value that counts: the user's, else the operator's, else the default."""
    return {knob.name: knob.default for knob in knobs} | dict(operator) | dict(user)


def subject_with(digest: str, settings: Mapping[str, Any]) -> str:
    """Name a candidate with settings of its own, as the subject of a run."""
    return f"{digest}?{orjson.dumps(dict(settings), option=orjson.OPT_SORT_KEYS).decode()}"


def read_subject(subject: str) -> tuple[str, dict[str, Any]]:
    """The digest and the settings of a run's subject; most have none, and programs never."""
    if not subject.startswith("sha256:"):
        return subject, {}
    digest, _, settings = subject.partition("?")
    return digest, orjson.loads(settings) if settings else {}


def _check_value(knob: Knob, value: Any) -> None:
    if knob.kind == "choice":
        fits, expected = value in knob.of, "one of " + ", ".join(map(str, knob.of))
    elif knob.kind == "number":
        low = float("-inf") if knob.min is None else knob.min
        high = float("inf") if knob.max is None else knob.max
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        fits, expected = is_number and low <= value <= high, f"a number from {low} to {high}"
    else:
        fits, expected = isinstance(value, bool), "true or false"
    if not fits:
        raise Invalid(
            "knob_out_of_range", f"The knob `{knob.name}` is `{value}`, expected {expected}"
        )
