"""What looks like a secret though no product's prefix says so: by its name, or by its disorder."""

import math
import re
from collections import Counter
from collections.abc import Iterator

DISCLOSED = (
    r"(?i:\b[a-z0-9_-]{0,40}(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|"
    r"access[_-]?key|private[_-]?key)[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\s\"',;<>]{6,200}"
    r"|[A-Za-z0-9_+=-]{24,200}"
    r"|\b[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s/:@\"'<>]{0,100}:[^\s/@\"'<>]{3,200}@"
)
_NAMED = re.compile(r"[^:=]*[:=]\s*[\"']?", re.DOTALL)
_OF_ADDRESS = re.compile(r"[^:]+://[^:]*:([^@]+)@")
_STANDS_FOR = re.compile(r"\$\w+|\$?\{.*\}|\*+")
_BITS_MIN = 4.0
_WORDS = re.compile(r"[A-Z][a-z]{2,}|[a-z]{3,}")


def secret_stretches(text: str) -> Iterator[tuple[int, int]]:
    """Where the secret itself stands in what `DISCLOSED` found; nothing where it is none."""
    address = _OF_ADDRESS.fullmatch(text)
    if address is not None:
        if not _STANDS_FOR.fullmatch(address[1]):
            yield address.span(1)
        return
    named = _NAMED.match(text)
    if named is not None and named.end() < len(text) and text[: named.end()].strip("=") != "":
        if _is_named(text[: named.end()]):
            yield named.end(), len(text)
        return
    if is_disordered(text):
        yield 0, len(text)


def is_disordered(text: str) -> bool:
    """Whether a run of signs is more random than words, names of files and numbers are.

    Digests and ids in hexadecimal are left alone: they are everywhere and open nothing.
    """
    has_all = any(map(str.isupper, text)) and any(map(str.islower, text))
    if not has_all or not any(map(str.isdigit, text)):
        return False
    letters_in_words = sum(len(word) for word in _WORDS.findall(text))
    if letters_in_words > len(text) / 2:
        return False
    counts = Counter(text)
    bits = -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
    return bits >= min(_BITS_MIN, math.log2(len(text)) - 0.75)


def _is_named(prefix: str) -> bool:
    return re.search(r"(?i)pass|pwd|secret|token|key", prefix) is not None
