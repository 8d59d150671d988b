"""How a text classifier reads a message: as words, as pieces of words, and as a mean word vector.

Training and serving share this one reading, so a served message cannot be read otherwise than the
ones learned from. It needs numpy only.
"""

import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lineside.core import Unavailable

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from tokenizers import Tokenizer

CHARACTERS_READ_MAX = 20_000  # of one message; the rest is not read
GRAMS_MAX = 50_000  # of each of the two vocabularies; the commonest stay

Floats = NDArray[np.float32]
_WORD = re.compile(r"\w+")


def clean(text: str) -> str:
    """Return what is read of a message: its beginning, in one spelling per character."""
    # Half of a surrogate pair is legal in JSON and in `str`, but not in UTF-8, which the tokenizer
    # needs.
    text = text[:CHARACTERS_READ_MAX].encode("utf-8", "replace").decode("utf-8")
    # One character may become eighteen, so the limit holds for what comes out too.
    return unicodedata.normalize("NFKC", text)[:CHARACTERS_READ_MAX]


def word_grams(text: str) -> list[str]:
    """Return the words of a message and its pairs of neighbours."""
    words = _WORD.findall(text.lower())
    return words + [f"{first} {second}" for first, second in pairwise(words)]


def character_grams(text: str) -> list[str]:
    """Return the pieces of 3 and 4 characters inside the words; they forgive typos."""
    padded = [f" {word} " for word in text.lower().split()]
    return [
        word[at : at + size]
        for word in padded
        for size in (3, 4)
        for at in range(max(1, len(word) - size + 1))
    ]


@dataclass(frozen=True)
class WordVectors:
    """Static vectors of pieces of words, which know that "bill" is near "invoice"."""

    tokenizer: "Tokenizer"
    table: NDArray[np.float16]
    fingerprint: str

    @property
    def dimensions(self) -> int:
        return int(self.table.shape[1])

    def mean(self, text: str) -> Floats:
        """Mean vector of length one; zeros for a message without tokens."""
        # One message at a time: a batch is padded to its longest message, and 64 messages beside
        # one of 20,000 characters would take a gigabyte.
        tokens = self.tokenizer.encode(text, add_special_tokens=False).ids
        mean: Floats = self.table[tokens].sum(axis=0, dtype=np.float32)
        return mean / np.float32(np.linalg.norm(mean) or 1.0)

    def means(self, counts: "csr_array", words: Sequence[str]) -> Floats:
        """Mean vectors of many texts, one row each, from how often each has each word.

        The same as `mean` of the words joined by blanks, because no piece of a word reaches over a
        blank; but each word is cut into pieces once, however many texts have it.
        """
        from scipy.sparse import csr_array

        pieces = [self.tokenizer.encode(word, add_special_tokens=False).ids for word in words]
        ends = np.cumsum([0, *map(len, pieces)])
        met, columns = np.unique(
            np.fromiter(chain.from_iterable(pieces), np.int64, ends[-1]), return_inverse=True
        )
        ones = np.ones(len(columns), np.float32)
        spelled = csr_array((ones, columns, ends), shape=(len(words), len(met)))
        sums: Floats = (counts @ spelled) @ self.table[met].astype(np.float32)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        lengths[lengths == 0] = 1
        means: Floats = sums / lengths
        return means


@cache
def word_vectors() -> WordVectors:
    """Return the vectors that come in the wheel of wordllama; read once per process, 17 MB."""
    # The wheel's two files are read without importing wordllama: its import switches on INFO
    # logging for the whole process, and it would download what it does not find.
    from safetensors.numpy import load
    from tokenizers import Tokenizer

    found = find_spec("wordllama")
    folder = Path(found.origin).parent if found and found.origin else Path()
    try:
        weights = (folder / "weights" / "l2_supercat_256.safetensors").read_bytes()
        tokens = (folder / "tokenizers" / "l2_supercat_tokenizer_config.json").read_bytes()
    except OSError as error:
        raise Unavailable(
            "word_vectors_missing",
            f"The word vectors of the package `wordllama` cannot be read: {error}",
            hint="Install lineside's requirements again.",
        ) from error
    return WordVectors(
        tokenizer=Tokenizer.from_buffer(tokens),
        table=load(weights)["embedding.weight"],
        fingerprint=hashlib.sha256(weights + tokens).hexdigest()[:16],
    )


@dataclass(frozen=True)
class Grams:
    """TF-IDF of one kind of piece: which pieces count, and how much a rare one weighs."""

    split: Callable[[str], list[str]]
    index: dict[str, int]
    idf: Floats

    @classmethod
    def learn(cls, split: Callable[[str], list[str]], texts: Sequence[str]) -> "Grams":
        """Choose the pieces that at least two of the messages have."""
        seen = Counter(chain.from_iterable(set(split(text)) for text in texts))
        # A piece met once teaches one message by heart. Ties go by the alphabet, so that the same
        # messages in another order give the same vocabulary.
        common = sorted((g for g, count in seen.items() if count > 1), key=lambda g: (-seen[g], g))
        pieces = sorted(common[:GRAMS_MAX])
        rarity = [math.log((1 + len(texts)) / (1 + seen[piece])) + 1 for piece in pieces]
        return cls(
            split, {piece: at for at, piece in enumerate(pieces)}, np.array(rarity, np.float32)
        )

    def row(self, text: str) -> tuple[NDArray[np.int32], Floats]:
        """Columns and values of one message, its values of length one together."""
        index = self.index
        counts = Counter(index[piece] for piece in self.split(text) if piece in index)
        columns = np.fromiter(counts.keys(), np.int32, len(counts))
        values = np.fromiter(counts.values(), np.float32, len(counts))
        values = (1 + np.log(values)) * self.idf[columns]
        return columns, values / np.float32(np.linalg.norm(values) or 1.0)
