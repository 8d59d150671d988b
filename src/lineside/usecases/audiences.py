"""Who a rollout is for, as a sentence over what callers say of themselves.

country = CH
plan in [pro, team] and beta = true
country != US
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from lineside.usecases.document import Misread, quoted

LENGTH_MAX = 300
_HINT = "An audience looks like `country = CH` or `plan in [pro, team] and beta = true`."
_NAME = r"[A-Za-z_][\w.-]{0,63}"
_VALUE = r'"[^"]{0,200}"|[^\s,\[\]"=!]{1,200}'
_CLAUSE = re.compile(
    rf"\s*(?P<name>{_NAME})\s*(?:(?P<sign>=|!=)\s*(?P<value>{_VALUE})"
    rf"|in\s*\[(?P<values>\s*(?:{_VALUE})\s*(?:,\s*(?:{_VALUE})\s*)*)\])\s*"
)
_AND = re.compile(r"and\b")

Attribute = str | bool | float
"""What a caller may say of whoever is served; texts compare without regard to case."""


@dataclass(frozen=True)
class AudienceClause:
    """One condition: an attribute is one of these, or none of them."""

    name: str
    sign: Literal["is", "is not"]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Audience:
    """Every clause must hold. Of whom an attribute is not known is not in the audience."""

    clauses: tuple[AudienceClause, ...]
    text: str

    @staticmethod
    def read(text: object) -> "Audience":
        """Read one; raises `Misread`."""
        if isinstance(text, Audience):
            return text
        if not isinstance(text, str) or not text.strip() or len(text) > LENGTH_MAX:
            read = quoted(text) if isinstance(text, str) else "no text"
            raise Misread(read, f"an audience of at most {LENGTH_MAX} characters", hint=_HINT)
        return _read(text.strip())

    def includes(self, attributes: Mapping[str, Attribute]) -> bool:
        """Whether somebody is in it, by what the caller says of them."""
        return all(
            clause.name in attributes
            and (_spelled(attributes[clause.name]) in clause.values) == (clause.sign == "is")
            for clause in self.clauses
        )

    def __str__(self) -> str:
        return self.text


AudienceRule = Annotated[
    Audience,
    PlainValidator(Audience.read),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["country = CH"]}),
]


@lru_cache(maxsize=256)
def _read(text: str) -> Audience:
    clauses, at = [], 0
    while True:
        found = _CLAUSE.match(text, at)
        if found is None:
            raise Misread(quoted(text[at:].strip() or "the end"), "a condition", hint=_HINT)
        several = found["values"]
        values = re.findall(_VALUE, several) if several else [found["value"]]
        sign: Literal["is", "is not"] = "is not" if found["sign"] == "!=" else "is"
        clauses.append(AudienceClause(found["name"], sign, tuple(map(_plain, values))))
        at = found.end()
        if at == len(text):
            return Audience(tuple(clauses), text)
        joined = _AND.match(text, at)
        if joined is None:
            raise Misread(quoted(text[at:]), "`and`, or the end of the audience", hint=_HINT)
        at = joined.end()


def _plain(value: str) -> str:
    return _spelled(value.strip().strip('"'))


def _spelled(value: Attribute) -> str:
    """Numbers and words in one spelling, so that `3`, `3.0` and "3" are the same."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.15g}"
    text = value.strip().casefold()
    return f"{float(text):.15g}" if re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", text) else text
