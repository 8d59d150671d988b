"""Which traces are wanted: the query line, and the same as form fields. Pure."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from lineside.core import Invalid, Record, clock, did_you_mean, now

Sign = Literal["=", "!=", ">", ">=", "<", "<=", "~"]

WORDS = (
    "use_case",
    "release",
    "arm",
    "service",
    "session",
    "user",
    "model",
    "name",
    "status",
    "tool",
    "agent",
    "run",
    "trace",
)
NUMBERS = ("latency_ms", "tokens_in", "tokens_out", "cost_usd", "steps", "errors")
TEXT = "text"
ATTRIBUTE = "attribute."
"""Begins the field that asks for an attribute that some step was sent with."""

OF_PAYERS = {"key": "attribute.lineside.key", "team": "attribute.lineside.team"}
"""Fields that ask whose a call was, with the attribute in which lineside itself says so."""

SCORE = "score."
"""Begins the field that asks for a score of the trace or of one of its steps."""

TAG = "tag"

UNCLAIMED = "unclaimed"
_MOMENTS = ("since", "until")
_FIELDS = (*WORDS, *OF_PAYERS, *NUMBERS, TEXT, TAG, *_MOMENTS)
_NAMED = (ATTRIBUTE, SCORE)
_TRUTHS = {"true": 1.0, "false": 0.0}
STEP_FAILED = "step_failed"
"""A status that asks for traces in which any step failed, whatever became of the whole."""

_STATUSES = ("ok", "error", STEP_FAILED)
_WORD_SIGNS = ("=", "!=", "~")
_NUMBER_SIGNS = ("=", "!=", ">", ">=", "<", "<=")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO_DAYS_MAX = 36_500

QUERY_CHARACTERS_MAX = 2_000
CONDITIONS_MAX = 30

_TOKEN = re.compile(
    r"""\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<sign>!=|>=|<=|=|>|<|~)|(?P<word>[^\s"=<>!~]+))"""
)


class Condition(Record):
    """One thing that must hold of a trace.

    Attributes:
        values: What the field is compared with; several only where one name stands for several
            things, such as a release label that more than one use case has, or a score's `1`,
            which may be its label or its number. An empty word stands for what is not known.
    """

    field: str
    sign: Sign
    values: tuple[str | float, ...]


class Filters(Record):
    """All that must hold of a trace; nothing at all lets every trace through.

    Attributes:
        since: Traces that began at this moment or later, in UTC.
        until: Traces that began before this moment, in UTC.
    """

    conditions: tuple[Condition, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def use_case(self) -> str | None:
        """The one use case that is asked for, where there is one."""
        for one in self.conditions:
            if one.field == "use_case" and one.sign == "=" and one.values != (UNCLAIMED,):
                return str(one.values[0])
        return None

    def narrowed(self, other: "Filters") -> "Filters":
        """What meets both; from the later beginning to the earlier end."""
        begins = [moment for moment in (self.since, other.since) if moment]
        ends = [moment for moment in (self.until, other.until) if moment]
        return Filters(
            conditions=(*self.conditions, *other.conditions),
            since=max(begins, default=None),
            until=min(ends, default=None),
        )

    def named(self, labels: Mapping[str, str]) -> "Filters":
        """The same, where a release's label (`v2`) also finds the ids that it stands for.

        Args:
            labels: Id to label, of all releases that may be meant.
        """
        changed = []
        for one in self.conditions:
            if one.field == "release" and one.sign in ("=", "!="):
                ids = [id_ for id_, label in labels.items() if label in one.values]
                one = one.model_copy(update={"values": (*one.values, *ids)})
            changed.append(one)
        return self.model_copy(update={"conditions": tuple(changed)})


class _Token(NamedTuple):
    text: str
    at: int
    is_sign: bool
    is_quoted: bool


def parse_query(query: str) -> Filters:
    """Read a query line such as `release = v2 and latency_ms > 2000 and text ~ "refund"`.

    Conditions are joined by `and`. `since 24h` and `until 2026-01-31` need no sign; a value with
    blanks stands in double quotes. `status = error` asks for traces whose first step failed,
    `status = step_failed` for those in which any did. `user = ""` asks for traces whose user is not
    known, and
    `attribute.customer.tier = gold` for those with a step that was sent with this attribute.
    `key = shop` and `team = support` ask whose API key a call of a model or use case came with.
    `score.grounded < 0.5` asks for a score by its number, `score.tone = rude` by its label, and
    `score."answer relevancy" > 0.8` is how a name with blanks is written.

    Raises:
        Invalid: The line cannot be read; says where, what was read and what was expected.
    """
    if len(query) > QUERY_CHARACTERS_MAX:
        raise Invalid(
            "query_too_long",
            f"The query has {len(query):,} characters, the limit is {QUERY_CHARACTERS_MAX:,}",
        )
    tokens = iter(list(_tokens(query)))
    filters = Filters()
    token = next(tokens, None)
    while token is not None:
        filters = _with_one(filters, token, tokens)
        joint = next(tokens, None)
        if joint is None:
            break
        if joint.text.lower() != "and" or joint.is_quoted:
            raise _unread(joint, "expected `and` or the end", hint="Only `and` joins conditions.")
        token = next(tokens, None)
        if token is None:
            raise Invalid("bad_query", "The query ends with `and`, expected a field after it")
    return filters


def read_filters(query: str = "", **fields: str | None) -> Filters:
    """Read a query line together with form fields, each of which is one more `field = value`.

    A field such as `latency_ms_min` is `latency_ms >= value`, and `score` holds what would stand
    after `score.`, such as `grounded < 0.5`.

    Raises:
        Invalid: One of them cannot be read.
    """
    filters = parse_query(query)
    for field, value in fields.items():
        if value is None or not value.strip():
            continue
        if field == "score":
            filters = filters.narrowed(_of_scores(value.strip()))
            continue
        name = field.removesuffix("_min")
        sign = ">=" if name != field else "~" if field == TEXT else "="
        filters = _joined(filters, name, sign, value.strip(), "")
    return filters


def _with_one(filters: Filters, token: _Token, tokens: Iterator[_Token]) -> Filters:
    """The filters with the condition that begins at this token."""
    field = token.text.lower()
    for start in _NAMED:
        if field.startswith(start):
            # Attributes and scores are called what their senders call them.
            field = start + token.text[len(start) :]
    if field in _NAMED and not token.is_quoted:
        name = next(tokens, None)
        if name is not None and name.is_quoted:
            field += name.text
    if token.is_sign or token.is_quoted or not _is_field(field):
        head, dot, rest = field.partition(".")
        begins = did_you_mean(head + dot, _NAMED) if rest else None
        near = f"{begins}{rest}" if begins else did_you_mean(field, _FIELDS)
        raise _unread(
            token,
            "expected a field",
            hint=f"Did you mean `{near}`?"
            if near
            else f"Fields are: {', '.join(_FIELDS)}, attribute.NAME, score.NAME.",
        )
    sign = next(tokens, None)
    if field in _MOMENTS and sign is not None and not sign.is_sign:
        return _joined(filters, field, "=", sign.text, f" at character {sign.at}")
    if sign is None or not sign.is_sign:
        expected = f"expected one of {' '.join(_signs(field))} after `{field}`"
        if sign is None:
            raise Invalid("bad_query", f"The query ends after `{field}`, {expected}")
        raise _unread(sign, expected)
    value = next(tokens, None)
    if value is None or value.is_sign:
        expected = f"expected a value after `{field} {sign.text}`"
        if value is None:
            raise Invalid("bad_query", f"The query ends, {expected}")
        raise _unread(value, expected)
    return _joined(filters, field, sign.text, value.text, f" at character {value.at}")


def _joined(filters: Filters, field: str, sign: str, value: str, where: str) -> Filters:
    if not _is_field(field):
        raise Invalid("bad_query", f"`{field}` is no field of a trace")
    if field == "status" and value.lower() == STEP_FAILED and sign in ("=", "!="):
        # Traces count the steps that failed, so this needs no column of its own.
        field, sign, value = "errors", ">=" if sign == "=" else "<", "1"
    if sign not in _signs(field):
        raise Invalid(
            "bad_query",
            f"`{field} {sign}` cannot be asked, expected one of {' '.join(_signs(field))}",
        )
    if field in _MOMENTS:
        return filters.model_copy(update={field: _moment(field, value, where)})
    field = OF_PAYERS.get(field, field)
    if len(filters.conditions) == CONDITIONS_MAX:
        raise Invalid("query_too_long", f"The query has more than {CONDITIONS_MAX} conditions")
    condition = Condition(
        field=field,
        sign=_sign(sign),
        values=_score_values(field, sign, value, where)
        if field.startswith(SCORE)
        else (_value(field, sign, value, where),),
    )
    return filters.model_copy(update={"conditions": (*filters.conditions, condition)})


def _value(field: str, sign: str, value: str, where: str) -> str | float:
    if field in NUMBERS:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not abs(number) < float("inf"):
            raise Invalid(
                "bad_query", f"`{field}` is a number, read `{value[:60]}`{where}", hint=_EXAMPLE
            )
        return number
    if field == "status" and sign != "~" and value.lower() not in _STATUSES:
        raise Invalid(
            "bad_query",
            f"`status` is `ok`, `error` or `{STEP_FAILED}`, read `{value[:60]}`{where}",
            hint=_EXAMPLE,
        )
    if not value and (sign == "~" or field.startswith(ATTRIBUTE)):
        raise Invalid("bad_query", f"The value of `{field}` is empty{where}")
    if field == TAG:
        return " ".join(value.lower().split())
    return value.lower() if field == "status" else value


def _score_values(field: str, sign: str, value: str, where: str) -> tuple[str | float, ...]:
    """A number, a label, or what may be either; `true` and `false` are numbers as well."""
    try:
        number = _TRUTHS.get(value.lower(), float("nan")) if value.isalpha() else float(value)
    except ValueError:
        number = float("nan")
    is_number = abs(number) < float("inf")
    if sign in ("=", "!="):
        return (value, number) if is_number else (value,)
    if not is_number:
        raise Invalid(
            "bad_query",
            f"`{field[:60]} {sign}` compares numbers, read `{value[:60]}`{where}",
            hint="Ask for a label with `=` or `!=`.",
        )
    return (number,)


def _of_scores(said: str) -> Filters:
    """What a form's field for scores asks."""
    found = parse_query(f"{SCORE}{said}")
    others = [one.field for one in found.conditions if not one.field.startswith(SCORE)]
    if others or found.since or found.until:
        raise Invalid(
            "bad_query",
            f"Read `{said[:60]}` as a score, expected its name, a sign and a number or label",
            hint="For example: grounded < 0.5, or tone = rude.",
        )
    return found


def _moment(field: str, value: str, where: str) -> datetime:
    """A moment, given as how long ago (`90m`, `24h`, `7d`, `2w`) or as a date in UTC."""
    ago = re.fullmatch(r"(\d{1,6})([mhdw])", value)
    if ago:
        length = timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return now() - min(length, timedelta(days=_AGO_DAYS_MAX))
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise Invalid(
            "bad_query",
            f"`{field}` is how long ago or a date, read `{value[:60]}`{where}",
            hint="Write 90m, 24h, 7d, 2w, 2026-01-31 or 2026-01-31T15:30.",
        ) from None
    return clock.in_utc(read)


def _is_field(field: str) -> bool:
    return field in _FIELDS or (field.startswith(_NAMED) and field not in _NAMED)


def _signs(field: str) -> tuple[str, ...]:
    if field in NUMBERS or field.startswith(SCORE):
        return _NUMBER_SIGNS
    if field in _MOMENTS:
        return ("=",)
    return ("~",) if field == TEXT else _WORD_SIGNS


def _sign(text: str) -> Sign:
    signs: dict[str, Sign] = {
        "=": "=",
        "!=": "!=",
        ">": ">",
        ">=": ">=",
        "<": "<",
        "<=": "<=",
        "~": "~",
    }
    return signs[text]


def _tokens(query: str) -> Iterator[_Token]:
    at = 0
    end = len(query.rstrip())
    while at < end:
        found = _TOKEN.match(query, at)
        if found is None:
            rest = query[at:].lstrip()
            place = len(query) - len(rest) + 1
            hint = 'A quoted value ends with `"`.' if rest.startswith('"') else _EXAMPLE
            raise Invalid(
                "bad_query", f"`{rest[:20]}` at character {place} cannot be read", hint=hint
            )
        kind = found.lastgroup or "word"
        text = found[kind]
        if kind == "quoted":
            text = re.sub(r"\\(.)", r"\1", text)
        yield _Token(
            text, found.end() - len(found[0].lstrip()) + 1, kind == "sign", kind == "quoted"
        )
        at = found.end()


def _unread(token: _Token, expected: str, *, hint: str | None = None) -> Invalid:
    return Invalid(
        "bad_query",
        f"Read `{token.text[:60]}` at character {token.at}, {expected}",
        hint=hint or _EXAMPLE,
    )


_EXAMPLE = 'For example: status = error and latency_ms > 2000 and text ~ "refund" and since 24h.'
