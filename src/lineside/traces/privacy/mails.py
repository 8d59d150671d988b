"""Mail addresses, also those that people spell out so that no program reads them.

`name at host dot com` is made of ordinary words. It counts only where it ends in a known top-level
name and neither the word before `at` nor the host is one that stands there in a plain sentence.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

_AT = r"[ ]?[\[({][ ]?(?i:at)[ ]?[\])}][ ]?"
_DOT = r"[ ]?[\[({][ ]?(?i:dot)[ ]?[\])}][ ]?"
_PLAIN_AT, _PLAIN_DOT = r"[ ]{1,3}(?i:at)[ ]{1,3}", r"[ ]{1,3}(?i:dot)[ ]{1,3}"
_PROVIDERS = (
    "gmail|googlemail|outlook|hotmail|yahoo|icloud|proton|protonmail|gmx|aol|live|fastmail|web"
)

MAIL_PATTERN = (
    rf"[\pL\pN][\pL\pN._%+'-]*(?:@|{_AT})[\pL\pN-]+(?:(?:\.|{_DOT}|{_PLAIN_DOT})[\pL\pN-]+)+"
)
SPELT_PATTERN = (
    rf"{_PLAIN_AT}(?:(?i:{_PROVIDERS})\.[a-zA-Z]{{2,3}}\b"
    rf"|[\pL\pN-]+(?:(?:{_DOT}|{_PLAIN_DOT})[\pL\pN-]+){{1,4}})"
)
"""What follows the name in an address in plain words; the name is looked for before it."""

OF_MAIL_PATTERN = (
    rf"@|[\[({{] ?(?i:at) ?[\])}}]|(?i:[ ]at[ ]{{1,3}}(?:[\pL\pN-]+[ ]{{0,3}}[\[({{]?[ ]?dot"
    rf"[ \])}}]|(?:{_PROVIDERS})\.))"
)
"""Found wherever an address is; searched for first, since it is quick."""


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


_ENDS = _words(
    "com org net edu gov mil int info biz io ai app dev co me tv eu us uk de at ch fr it es pt nl",
    "be lu dk se no fi ie pl cz sk hu ro bg gr hr si rs ua ru tr il in cn jp kr tw hk sg my th vn",
    "id ph au nz za ng ke eg ma br ar mx cl pe ca mail email online shop site tech cloud xyz",
)
# Words that stand before `at` in a plain sentence, and behind it.
_NO_LOCAL = _words(
    "look looks looked looking stare point pointing aim arrive arrives arrived meet met see seen",
    "saw work works worked working live lives lived shop shopping buy bought order ordered find",
    "found visit visiting is are was were be been am it us me them him her you i we they this that",
    "here there now today online available hosted located sold based start starts starting stop",
    "end and or not only just also even least most best first last all out up down in on off site",
    "website page pages store link links blog app account accounts engineer engineers people team",
    "staff price prices priced time good bad better worse laugh laughed shout yell click go went",
    "come came get got stay stayed sign signed register registered log logged read more info home",
    "reading dot what who where when why how",
)
_NO_HOST = _words(
    "the a an this that these those my your his its her our their each every one any some no all",
    "least most first last polka same red black white big small tiny centre center middle",
)
_SPELT = re.compile(r"(?i)(?:[ ]?[\[({][ ]?dot[ ]?[\])}][ ]?|[ ]+dot[ ]+|\.)")
_SIGN = re.compile(r"(?i)@|[ ]?[\[({][ ]?at[ ]?[\])}][ ]?")
_SPELT_AT = re.compile(r"(?i)[ ]+at[ ]+")
_PLAIN = re.compile(r"(?i)[ ]+dot[ ]+")
_NAME = re.compile(
    r"(?i)[^\W_][\w.%+'-]*"
    r"(?:(?:[ ]?[\[({][ ]?dot[ ]?[\])}][ ]?|[ ]{1,3}dot[ ]{1,3})[\w.%+'-]+){0,3}$"
)
_NAME_CHARACTERS_MAX = 100

Stretch = tuple[int, int]


def mail_finder(usual: Any, spelt: Any) -> Callable[[str], Iterable[Stretch]]:
    """Finds mail addresses, given both patterns ready to search with."""

    def find(text: str) -> list[Stretch]:
        found = [
            (match.start(), match.start() + stop)
            for match in usual.finditer(text)
            if (stop := _stop(match.group()))
        ]
        in_words = [
            (start, match.start() + stop)
            for match in spelt.finditer(text)
            if (stop := _spelt_stop(match.group()))
            and (start := _name_start(text, match.start())) is not None
        ]
        if not in_words:
            return found
        apart: list[Stretch] = []
        for one in sorted(found + in_words):
            if not apart or apart[-1][1] <= one[0]:
                apart.append(one)
        return apart

    return find


def _stop(text: str) -> int:
    """Where an address ends behind which the sentence may go on with the word `dot`; 0: nowhere."""
    sign = _SIGN.search(text)
    host = sign.end() if sign else 0
    plain = _PLAIN.search(text, host)
    if plain is None:
        return len(text)
    has_end = _SPELT.search(text, host, plain.start() + 1) is not None
    return _end(text, host) or (plain.start() if has_end else 0)


def _spelt_stop(text: str) -> int:
    at = _SPELT_AT.match(text)
    if at is None or _SPELT.split(text[at.end() :])[0].lower() in _NO_HOST:
        return 0
    return _end(text, at.end())


def _name_start(text: str, stop: int) -> int | None:
    """Where the name begins that ends here; nothing where a plain sentence stands before `at`."""
    start = max(0, stop - _NAME_CHARACTERS_MAX)
    name = _NAME.search(text[start:stop])
    if name is None or _SPELT.split(name.group())[-1].lower() in _NO_LOCAL:
        return None
    return start + name.start()


def _end(text: str, host: int) -> int:
    """Where the last known top-level name ends that follows a host; 0 where there is none."""
    stop = 0
    for match in _SPELT.finditer(text, host):
        following = _SPELT.search(text, match.end())
        label_end = following.start() if following else len(text)
        if text[match.end() : label_end].lower() in _ENDS:
            stop = label_end
    return stop
