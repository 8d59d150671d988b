"""What the stylesheet promises to every reader."""

import re

import pytest

from lineside.web.render import STATIC

CSS = (STATIC / "lineside.css").read_text()
PAIRS = [
    ("ink", "paper"),
    ("ink", "card"),
    ("ink", "sunk"),
    ("soft", "paper"),
    ("soft", "card"),
    ("accent", "paper"),
    ("accent", "card"),
    ("accent-ink", "accent"),
    ("ship", "ship-tint"),
    ("hold", "hold-tint"),
    ("more", "more-tint"),
    ("new", "new-tint"),
    ("old", "old-tint"),
    ("ship", "card"),
    ("hold", "card"),
    ("more", "card"),
]


def colours(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[:2]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light if scheme == "light" else dark))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out_by_day_and_by_night(scheme: str, text: str, ground: str) -> None:
    found = colours(scheme)
    darker, lighter = sorted((luminance(found[text]), luminance(found[ground])))

    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_a_diff_says_neither_good_nor_bad_and_does_not_speak_by_colour_alone() -> None:
    told = r"^([^{\n]*\b(?:ins|del|diff-added|diff-removed|pair-sign)\b[^{]*)\{(.*?)\}"
    rules = re.findall(told, CSS, re.MULTILINE)

    assert len(rules) >= 8
    assert not [name for name, rule in rules if "--ship" in rule or "--hold" in rule]
    assert {name.strip() for name, rule in rules if "content" in rule} == {
        "ins::before",
        "del::before",
    }


def test_nothing_is_loaded_from_elsewhere() -> None:
    for name in ("lineside.css", "lineside.js", "trace.js"):
        text = (STATIC / name).read_text()
        assert "http" not in text
        assert "@import" not in text
        assert "url(" not in text
