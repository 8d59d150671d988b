"""Numbers that states and health services give people, told from other numbers by their checks.

Where a check would let one number in ten pass, a number counts only in its official grouping or
behind its own name: an order number must not be taken for a person.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple


class Identity(NamedTuple):
    """One country's number: how it is written, for RE2, and whether its signs are right."""

    pattern: str
    is_one: Callable[[str], bool]


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def is_luhn(digits: str) -> bool:
    """Luhn's check, which payment cards and some states' numbers carry."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[::-2])) + doubled) % 10 == 0


def _german_tax(digits: str) -> bool:
    # One digit stands there two or three times, all others at most once: the rule of the register.
    counts = sorted(digits[:10].count(sign) for sign in set(digits[:10]))
    if digits[0] == "0" or counts[-1] not in (2, 3) or counts[:-1].count(1) != len(counts) - 1:
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def _french_social(signs: str) -> bool:
    number = signs.replace("2A", "19").replace("2B", "18")
    if not number.isdigit() or not 1 <= int(number[3:5]) <= 12:
        return False
    return 97 - int(number[:13]) % 97 == int(number[13:])


_SPANISH = "TRWAGMYFPDXBNJZSQVHLCKE"


def _spanish(signs: str) -> bool:
    number = {"X": "0", "Y": "1", "Z": "2"}.get(signs[0], signs[0]) + signs[1:-1]
    return number.isdigit() and _SPANISH[int(number) % 23] == signs[-1]


_ITALIAN_ODD = tuple(
    map(
        int,
        [
            "1",
            "0",
            "5",
            "7",
            "9",
            "13",
            "15",
            "17",
            "19",
            "21",
            "2",
            "4",
            "18",
            "20",
            "11",
            "3",
            "6",
            "8",
            "12",
            "14",
            "16",
            "10",
            "22",
            "25",
            "24",
            "23",
        ],
    )
)


def _italian(signs: str) -> bool:
    places = [int(sign) if sign.isdigit() else ord(sign) - 65 for sign in signs[:15]]
    total = sum(_ITALIAN_ODD[place] for place in places[::2]) + sum(places[1::2])
    return chr(65 + total % 26) == signs[15]


def _belgian(digits: str) -> bool:
    rest = int(digits[9:])
    return rest in (97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97)


_CENTURIES = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}


def _polish(digits: str) -> bool:
    month = int(digits[2:4])
    year = _CENTURIES[month // 20] + int(digits[:2])
    total = _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1))
    return total % 10 == 0 and _is_date(year, month % 20, int(digits[4:6]))


def _swedish(digits: str) -> bool:
    return is_luhn(digits) and _is_date(2000, int(digits[2:4]), int(digits[4:6]))


def _finnish(signs: str) -> bool:
    number = int(signs[:6] + signs[6:9])
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[number % 31] == signs[9] and _is_date(
        2000, int(signs[2:4]), int(signs[:2])
    )


def _norwegian(digits: str) -> bool:
    first = _weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1))
    second = _weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
    return first % 11 == 0 and second % 11 == 0 and int(digits[:2]) % 40 in range(1, 32)


def _dutch(digits: str) -> bool:
    return _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and int(digits) > 0


def _portuguese(digits: str) -> bool:
    check = 11 - _weighted(digits[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return int(digits[8]) == (check if check < 10 else 0)


def _brazilian(digits: str) -> bool:
    if len(set(digits)) == 1:
        return False
    for size in (9, 10):
        total = _weighted(digits[:size], tuple(range(size + 1, 1, -1)))
        if total * 10 % 11 % 10 != int(digits[size]):
            return False
    return True


_TURN = "1576283094"


def _indian(digits: str) -> bool:
    """Verhoeff's check: the dihedral group of ten, and a permutation for each place."""
    check = 0
    for place, sign in enumerate(reversed(digits)):
        digit = int(sign)
        for _ in range(place % 8):
            digit = int(_TURN[digit])
        check = _dihedral(check, digit)
    return check == 0 and digits[0] not in "01"


def _dihedral(first: int, second: int) -> int:
    is_flipped = first >= 5
    turned = (first - second if is_flipped else first + second) % 5
    return turned + 5 if is_flipped != (second >= 5) else turned


def _chinese(signs: str) -> bool:
    weights = tuple(2 ** (17 - place) % 11 for place in range(17))
    return "10X98765432"[_weighted(signs[:17], weights) % 11] == signs[17] and _is_date(
        int(signs[6:10]), int(signs[10:12]), int(signs[12:14])
    )


def _british_health(digits: str) -> bool:
    return _weighted(digits, (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def _american(digits: str) -> bool:
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


_BRITISH_WRONG = frozenset({"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"})


def _british(signs: str) -> bool:
    return signs[:2] not in _BRITISH_WRONG


IDENTITIES: dict[str, Identity] = {
    "be": Identity(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}", _belgian),
    "br": Identity(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}|[0-9]{11}", _brazilian),
    "ca": Identity(r"[1-9][0-9]{2}[ -][0-9]{3}[ -][0-9]{3}", is_luhn),
    "cn": Identity(r"[1-9][0-9]{16}[0-9Xx]", _chinese),
    "de": Identity(r"[1-9][0-9] ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}", _german_tax),
    "es": Identity(r"[XYZxyz0-9][0-9]{7}-?[A-Za-z]", _spanish),
    "fi": Identity(r"[0-9]{6}[-+A-Fa-f][0-9]{3}[0-9A-Ya-y]", _finnish),
    "fr": Identity(
        r"[12] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[ABab]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
        _french_social,
    ),
    "gb": Identity(r"[A-CEGHJ-PR-TW-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]", _british),
    # With hyphens and without its name, it is how North America writes a phone number.
    "gb_health": Identity(
        r"[0-9]{3} [0-9]{3} [0-9]{4}|(?i:nhs)\W{1,3}[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}",
        _british_health,
    ),
    "in": Identity(r"[2-9][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}", _indian),
    "it": Identity(
        r"[A-Za-z]{6}[0-9]{2}[A-EHLMPR-Ta-ehlmpr-t][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]", _italian
    ),
    "nl": Identity(r"(?i:bsn|burgerservicenummer|sofinummer)\W{1,3}[0-9]{9}", _dutch),
    "no": Identity(r"[0-9]{6} ?[0-9]{5}", _norwegian),
    "pl": Identity(r"[0-9]{11}", _polish),
    "pt": Identity(r"(?i:nif|contribuinte)\W{1,3}[1-9][0-9]{8}", _portuguese),
    "se": Identity(r"[0-9]{6}[-+][0-9]{4}", _swedish),
    "us": Identity(r"[0-9]{3}-[0-9]{2}-[0-9]{4}", _american),
}
"""By country: what is looked for."""

IDENTITY_PATTERN = "|".join(rf"\b(?:{one.pattern})\b" for one in IDENTITIES.values())
_SHAPES = [(re.compile(one.pattern), one.is_one) for one in IDENTITIES.values()]
_NAMED = re.compile(r"[A-Za-z]{3,}\W{1,3}(?=[0-9])")


def is_identity(text: str) -> bool:
    """Whether a text, written as one of these is, also carries the right check."""
    signs = re.sub(r"[ .-]", "", _NAMED.sub("", text)).upper()
    shapes = [is_one for shape, is_one in _SHAPES if shape.fullmatch(text)]
    return any(_passes(is_one, signs) for is_one in shapes)


def _passes(is_one: Callable[[str], bool], signs: str) -> bool:
    if is_one is _finnish:  # its sign for the century is one of those that are left out
        signs = signs if len(signs) == 10 else signs[:6] + signs[7:]
    return is_one(signs)
