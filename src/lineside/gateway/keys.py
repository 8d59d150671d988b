"""Keys of providers: they come from the environment by name, and stay out of what people read."""

import os
import re

from lineside.core import Denied

# Beginnings that providers give their keys; stars, since some show a key half hidden.
_KEY = re.compile(r"\b(?:(?:sk|pk|rk|gsk|hf|xai|ghp|nvapi)[-_]|AIza)[\w*-]{12,}", re.ASCII)


def key_in(variable: str, *, where: str, is_needed: bool = True) -> str | None:
    """The key in force now, looked up at each call so that a new one needs no restart.

    Args:
        variable: Name of the environment variable that holds it.
        where: What it is for, as an error names it.

    Raises:
        Denied: It is needed and not there, or it cannot be sent.
    """
    key = os.environ.get(variable, "").strip()
    if not key and is_needed:
        raise Denied(
            "model_key_missing",
            f"The environment variable `{variable}` holds no key for {where}",
            hint=f"Set it where lineside runs: `export {variable}=…`.",
        )
    if not (key.isascii() and (key.isprintable() or not key)):
        raise Denied(
            "model_key_unusable",
            f"The environment variable `{variable}` holds signs no key has",
            hint="Copy the key again; it is one line of letters, digits and dashes.",
        )
    return key or None


def looks_like_key(text: str) -> bool:
    """Whether a text looks like a secret rather than like a name."""
    if _KEY.search(text):
        return True
    has_both = re.search(r"\d", text) and re.search(r"[a-z]", text)
    return len(text) >= 20 and bool(has_both) and " " not in text


def without_keys(text: str, *, key: str | None = None) -> str:
    """Take the given key, and whatever else has the form of one, out of a text for people."""
    if key:
        text = text.replace(key, "[key]")
    return _KEY.sub("[key]", text)
