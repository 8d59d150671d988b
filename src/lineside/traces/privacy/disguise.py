"""Texts in plain signs: what is invisible in them, or written wide, hides nothing of them."""

import re
import unicodedata
from functools import lru_cache

_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
)
_HYPHENS = "\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
_WIDE = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\ufe50-\ufe6b\uff01-\uff5e\U0001d400-\U0001d7ff"
_DISGUISED = re.compile(f"[{_UNSEEN}{_HYPHENS}{_WIDE}]|(?![0-9])\\d")
_IS_UNSEEN = re.compile(f"[{_UNSEEN}]")
_IS_HYPHEN = re.compile(f"[{_HYPHENS}]")


def plainly(text: str) -> tuple[str, list[int] | None]:
    """The text in plain signs, and where each of them stood; nothing where none is disguised."""
    if _DISGUISED.search(text) is None:
        return text, None
    signs, places, end = list[str](), list[int](), 0
    for match in _DISGUISED.finditer(text):
        start = match.start()
        signs.append(text[end:start])
        places.extend(range(end, start))
        plain = _plain(match.group())
        signs.append(plain)
        places.extend([start] * len(plain))
        end = start + 1
    signs.append(text[end:])
    places.extend(range(end, len(text)))
    return "".join(signs), places


@lru_cache(4_096)
def _plain(sign: str) -> str:
    """The plain form of one sign; nothing of one that cannot be seen."""
    if _IS_UNSEEN.match(sign):
        return ""
    if _IS_HYPHEN.match(sign):
        return "-"
    if sign.isdecimal():
        return str(unicodedata.decimal(sign))
    return unicodedata.normalize("NFKC", sign)
