"""What personal data looks like: patterns that come with lineside, and those people write.

All of them are matched by RE2, which takes time in proportion to the text, whatever the pattern:
no text that a sender chooses can make the door slow. The price is that a pattern cannot look ahead
or back.
"""

import ipaddress
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import re2  # type: ignore[import-untyped] # has none

from lineside.core import Invalid
from lineside.traces.privacy.disguise import plainly
from lineside.traces.privacy.identities import IDENTITY_PATTERN, is_identity, is_luhn
from lineside.traces.privacy.mails import (
    MAIL_PATTERN,
    OF_MAIL_PATTERN,
    SPELT_PATTERN,
    mail_finder,
)
from lineside.traces.privacy.secrets import DISCLOSED, secret_stretches

PATTERN_CHARACTERS_MAX = 1_000
_PATTERN_MEMORY_BYTES = 8 * 1024 * 1024

Stretch = tuple[int, int]
Finder = Callable[[str], Iterable[Stretch]]
"""Gives where in a text something to be masked stands, in order, without overlap."""


def compiled(pattern: str, *, length_max: int = PATTERN_CHARACTERS_MAX) -> Any:
    """The pattern, ready to search with.

    Raises:
        Invalid: It is too long, cannot be read, or would match a text of no characters.
    """
    if len(pattern) > length_max:
        raise Invalid(
            "pattern_too_long",
            f"The pattern has {len(pattern):,} characters, the limit is {length_max:,}",
        )
    options = re2.Options()
    options.max_mem = _PATTERN_MEMORY_BYTES
    options.log_errors = False
    try:
        found = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if error.args else error
        said = said.decode(errors="replace") if isinstance(said, bytes) else said
        raise Invalid(
            "bad_pattern",
            f"The pattern cannot be read: {said}: `{pattern[:80]}`",
            hint="RE2's regular expressions are spoken here: no looking ahead or back, no `\\1`.",
        ) from None
    if found.search("") is not None:
        raise Invalid(
            "empty_pattern",
            f"The pattern also matches nothing at all: `{pattern[:80]}`",
            hint="Let it ask for at least one character.",
        )
    return found


def finder_of(pattern: str, *, length_max: int = PATTERN_CHARACTERS_MAX) -> Finder:
    """Finds a pattern that somebody wrote; see `compiled`."""
    expression = compiled(pattern, length_max=length_max)

    def find(text: str) -> Iterator[Stretch]:
        for match in expression.finditer(text):
            if match.end() > match.start():
                yield match.span()

    return find


def glob_of(pattern: str) -> Any:
    """A glob such as `*.password`, to match whole names with, in any case of letters."""
    parts = [re2.escape(part) for part in pattern.split("*")]
    return compiled(f"(?is)^(?:{'.*'.join(parts)})$") if pattern.strip("*") else compiled("(?s).+")


def _checked(
    pattern: str,
    check: Callable[[str], Iterable[Stretch]],
    *,
    length_max: int = PATTERN_CHARACTERS_MAX,
) -> Finder:
    expression = compiled(pattern, length_max=length_max)

    def find(text: str) -> Iterator[Stretch]:
        for match in expression.finditer(text):
            start = match.start()
            for first, last in check(match.group()):
                yield start + first, start + last

    return find


_GROUP = re.compile(r"[0-9A-Za-z]+")


def _groups(text: str) -> list[Stretch]:
    return [match.span() for match in _GROUP.finditer(text)]


def _runs(
    text: str,
    *,
    sizes: Callable[[str], range | None],
    is_one: Callable[[str], bool],
) -> Iterator[Stretch]:
    """Stretches of whole groups that are together one of what is looked for, the longest first.

    Args:
        sizes: How many signs it may have, from its first group; nothing where it is no beginning.
    """
    groups = _groups(text)
    first = 0
    while first < len(groups):
        best, joined = None, ""
        allowed = sizes(text[slice(*groups[first])])
        for last in range(first, min(len(groups), first + allowed.stop) if allowed else first):
            joined += text[slice(*groups[last])]
            if not allowed or len(joined) >= allowed.stop:
                break
            if len(joined) in allowed and is_one(joined):
                best = last
        if best is None:
            first += 1
            continue
        yield groups[first][0], groups[best][1]
        first = best + 1


_CARD_DIGITS = range(13, 20)


def _card_sizes(group: str) -> range | None:
    # No network's numbers begin with anything else.
    return _CARD_DIGITS if group[0] in "23456" else None


_IBAN_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 "
    "DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 "
    "IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 "
    "MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 "
    "SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)
_IBAN_SIZES = {code[:2]: int(code[2:]) for code in re.findall(r"\w{4}", _IBAN_LENGTHS)}


def _iban_sizes(group: str) -> range | None:
    size = _IBAN_SIZES.get(group[:2].upper())
    return range(size, size + 1) if size and group[2:4].isdigit() else None


def _is_iban(text: str) -> bool:
    code = text.upper()
    return int("".join(str(int(sign, 36)) for sign in code[4:] + code[:4])) % 97 == 1


def _cards(text: str) -> Iterator[Stretch]:
    return _runs(text, sizes=_card_sizes, is_one=is_luhn)


def _ibans(text: str) -> Iterator[Stretch]:
    return _runs(text, sizes=_iban_sizes, is_one=_is_iban)


def _phones(text: str) -> Iterator[Stretch]:
    if 7 <= sum(sign.isdigit() for sign in text) <= 15:
        yield 0, len(text)


def _identities(text: str) -> Iterator[Stretch]:
    if is_identity(text):
        yield 0, len(text)


def _addresses(text: str) -> Iterator[Stretch]:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return
    yield 0, len(text)


BUILT_IN: dict[str, tuple[str, Finder]] = {
    "iban": (
        "account numbers whose check digits are right",
        _checked(r"(?i)\b[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]+)+\b", _ibans),
    ),
    "card": (
        "numbers of payment cards that pass Luhn's check, with blanks or hyphens or without",
        _checked(r"[0-9](?:[ -]?[0-9]){12,}", _cards),
    ),
    "national_id": (
        "numbers of people in seventeen states' registers, tax and health offices, by their checks",
        _checked(IDENTITY_PATTERN, _identities, length_max=3_000),
    ),
    "api_key": (
        "keys of well-known products, bearer tokens, JSON web tokens, private keys",
        finder_of(
            r"\b(?:sk|rk|pk|lsk)[-_][A-Za-z0-9_-]{16,}"
            r"|\bgh[oprsu]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"
            r"|\bxox[abeprs]-[\w-]{10,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30,}"
            r"|\b(?:whsec|npm|glsa|shpat|shpss|dop_v1|gsk|r8|sq0csp)_[A-Za-z0-9_-]{20,}"
            r"|\b(?:xai|nvapi|pypi|AGE-SECRET-KEY)-[A-Za-z0-9_-]{20,}"
            r"|\bSG\.[\w-]{16,}\.[\w-]{16,}|\bya29\.[\w-]{20,}"
            r"|\bhooks\.slack\.com/services/[\w/]{20,}"
            r"|\bhf_[A-Za-z0-9]{20,}|\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]{4,}"
            r"|(?i:\bbearer )[\w.~+/-]{16,}=*"
            r"|(?s:-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}KEY-----|$))"
        ),
    ),
    "email": (
        "mail addresses, also with `[at]` and `(dot)`, or `at` and `dot`, in the place of signs",
        mail_finder(compiled(MAIL_PATTERN), compiled(SPELT_PATTERN)),
    ),
    "ip": (
        "addresses of machines, in both versions of IP",
        _checked(
            r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b|(?i:[0-9a-f]{0,4}:){2,7}[0-9a-f.]{1,15}", _addresses
        ),
    ),
    "phone": (
        "phone numbers with + or 00 before the country, and grouped ones of a country",
        _checked(
            r"(?:\+|\b00)[1-9](?:[ ()./-]{0,2}[0-9]){6,14}\b"
            r"|\(?\b[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}\b"
            r"|\(?\b0[1-9][0-9]{1,4}\)?[ /-](?:[ -]?[0-9]){5,9}\b",
            _phones,
        ),
    ),
    "secret": (
        "what stands after `password=` and the like, passwords in URLs, long random-looking words",
        _checked(DISCLOSED, secret_stretches),
    ),
}
"""Name to what it finds, in words, and the finder; the surest first."""

_DIGIT = re.compile("[0-9]")
_OF_MAIL = compiled(OF_MAIL_PATTERN)
_OF_DIGITS = {"iban", "card", "national_id", "phone"}
"""None of these is without a digit, so that most texts need not be searched for each."""


def found_in(text: str, kinds: Iterable[str]) -> list[tuple[int, int, str]]:
    """Where patterns that come with lineside find something: start, stop and kind, in order.

    Where two of them see the same place, the surer one has it. Signs that cannot be seen, and wide
    or foreign forms of a sign or digit, hide nothing.
    """
    if text.isascii():
        return _found_in(text, kinds)
    plain, places = plainly(text)
    found = _found_in(plain, kinds)
    if places is None:
        return found
    return [(places[start], places[stop - 1] + 1, kind) for start, stop, kind in found]


def _found_in(text: str, kinds: Iterable[str]) -> list[tuple[int, int, str]]:
    wanted = set(kinds)
    if _DIGIT.search(text) is None:
        wanted -= _OF_DIGITS
        if text.count(":") < 2:
            wanted.discard("ip")
    if _OF_MAIL.search(text) is None:
        wanted.discard("email")
    found: list[tuple[int, int, str]] = []
    for kind, (_, find) in BUILT_IN.items():
        if kind not in wanted:
            continue
        for start, stop in find(text):
            place = bisect_left(found, (start, stop, ""))
            is_after = place == 0 or found[place - 1][1] <= start
            if is_after and (place == len(found) or stop <= found[place][0]):
                found.insert(place, (start, stop, kind))
    return found
