"""The index of a release: its passages, found by their words and by their meaning, offline.

Two ways look at every passage, BM25 over terms and the cosine of mean word vectors, and their ranks
are fused (Cormack et al. 2009, Reciprocal Rank Fusion): words find names and numbers, vectors find
what is said otherwise, and ranks need no common scale.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from lineside.apps.answers.passages import SourcePassage
from lineside.core import Invalid
from lineside.gateway import quoting, reading

FORMAT = 1
PASSAGES_MAX = 1_000_000
_K1, _B = 1.2, 0.75  # as Robertson and Zaragoza (2009) advise
_RANK_OFFSET = 60
_CANDIDATES = 100

Bytes = NDArray[np.uint8]


class IndexedSource(NamedTuple):
    """A file that went into an index, as it was then."""

    path: str
    digest: str
    passages: int


class Hit(NamedTuple):
    """A passage that was found.

    Attributes:
        score: What it is ranked by: the sum of 1 / (60 + rank) over both ways of looking.
        by_words: Its BM25 weight, 0 where it shares no term with the question.
        by_meaning: Cosine of its vector and the question's.
    """

    passage: SourcePassage
    score: float
    by_words: float
    by_meaning: float


class Part(NamedTuple):
    """What one source gives to an index.

    Attributes:
        passages: In the order they stand in.
        vectors: One of each passage.
        terms: Every term of the source, by the alphabet.
        holders: One row for a term in a passage: place of the term, place of the passage, and how
            often it stands there; ordered by the two places.
    """

    passages: list[SourcePassage]
    vectors: NDArray[np.float16]
    terms: list[str]
    holders: NDArray[np.int32]


def make_part(passages: Sequence[SourcePassage]) -> Part:
    """Read the passages of one source: their terms and their vectors."""
    from scipy.sparse import csr_array

    counts = [Counter(_terms(passage)) for passage in passages]
    terms = sorted(set(chain.from_iterable(counts)))
    place = {term: at for at, term in enumerate(terms)}
    columns = [place[term] for count in counts for term in count]
    rows = np.repeat(np.arange(len(counts)), [len(count) for count in counts])
    often = [times for count in counts for times in count.values()]
    holders = np.array([columns, rows, often], np.int32).T
    holders = holders[np.lexsort((holders[:, 1], holders[:, 0]))]
    table = csr_array(
        (holders[:, 2].astype(np.float32), (holders[:, 1], holders[:, 0])),
        shape=(len(passages), len(terms)),
    )
    vectors = reading.word_vectors().means(table, terms).astype(np.float16)
    return Part(list(passages), vectors, terms, holders)


def pack_part(part: Part) -> bytes:
    """A part as bytes, the same for the same part."""
    from safetensors.numpy import save

    return save(
        {
            "vectors": part.vectors,
            "passages": _packed(part.passages),
            "terms": _packed(part.terms),
            "holders": part.holders,
        }
    )


def unpack_part(content: bytes, *, source: str) -> Part:
    """Open what `pack_part` gave, for a source of this name."""
    from safetensors.numpy import load

    arrays = load(content)
    rows = orjson.loads(arrays["passages"].tobytes())
    passages = [SourcePassage(source, *row[1:]) for row in rows]
    terms = orjson.loads(arrays["terms"].tobytes())
    return Part(passages, arrays["vectors"], terms, arrays["holders"])


def build_index(sources: Iterable[tuple[str, str, Part]]) -> bytes:
    """Put parts together; the same parts in the same order give the same bytes.

    Args:
        sources: Path, digest and part of each.
    """
    from safetensors.numpy import save

    listed: list[IndexedSource] = []
    passages: list[SourcePassage] = []
    vectors: list[NDArray[np.float16]] = []
    ids: dict[str, int] = {}
    holders: list[NDArray[np.int32]] = []
    for path, digest, part in sources:
        places = np.array([ids.setdefault(term, len(ids)) for term in part.terms], np.int32)
        term, passage, often = part.holders.T
        holders.append(np.stack([places[term], passage + len(passages), often], axis=1))
        listed.append(IndexedSource(path, digest, len(part.passages)))
        passages += part.passages
        vectors.append(part.vectors)
        if len(passages) > PASSAGES_MAX:
            raise Invalid(
                "too_many_passages",
                f"The sources have more than {PASSAGES_MAX:,} passages",
                hint="Raise `words` under `retrieval`, or part the sources between use cases.",
            )
    terms, ends, postings, weights = _postings(list(ids), holders, passages=len(passages))
    texts = [passage.text.encode() for passage in passages]
    headings = list(dict.fromkeys(passage.heading for passage in passages))
    place = {heading: at for at, heading in enumerate(headings)}
    about = {
        "format": FORMAT,
        "vectors": reading.word_vectors().fingerprint,
        "sources": listed,
        "headings": headings,
        "terms": terms,
    }
    empty = np.zeros((0, reading.word_vectors().dimensions), np.float16)
    return save(
        {
            "about": _packed(about),
            "texts": np.frombuffer(b"".join(texts), np.uint8),
            "text_ends": np.cumsum([len(text) for text in texts], dtype=np.int64),
            "headings": np.array([place[passage.heading] for passage in passages], np.int32),
            "pages": np.array([passage.page or 0 for passage in passages], np.int32),
            "vectors": np.concatenate([empty, *vectors]),
            "term_ends": ends,
            "postings": postings,
            "weights": weights,
        }
    )


class SourceIndex:
    """An opened index. Many calls may search it at once; nothing in it changes.

    Args:
        content: What `build_index` gave.

    Raises:
        Invalid: It was made by another format or leans on other word vectors.
    """

    def __init__(self, content: bytes) -> None:
        from safetensors.numpy import load

        arrays: dict[str, NDArray[Any]] = load(content)
        about = orjson.loads(arrays["about"].tobytes())
        installed = reading.word_vectors().fingerprint
        if (about["format"], about["vectors"]) != (FORMAT, installed):
            raise Invalid(
                "bad_artefact",
                f"The index has format {about['format']} over word vectors `{about['vectors']}`; "
                f"this version reads format {FORMAT} over `{installed}`",
                hint="Release the folder again; its sources are indexed anew.",
            )
        self.sources = [IndexedSource(*row) for row in about["sources"]]
        self._headings: list[str] = about["headings"]
        self._terms = {term: at for at, term in enumerate(about["terms"])}
        self._first = np.cumsum([0, *(source.passages for source in self.sources)])
        self._arrays = arrays
        self._vectors = arrays["vectors"].astype(np.float32)

    def __len__(self) -> int:
        return len(self._vectors)

    def bytes_max(self, passages: int) -> int:
        """The most that so many passages come to as JSON, with their headings and their names."""
        if not len(self):
            return 0
        texts = np.sort(np.diff(self._arrays["text_ends"], prepend=0))[-passages:]
        beside = max(map(_bytes, self._headings), default=0)
        beside += 2 * max(_bytes(source.path) for source in self.sources)
        # Signs that JSON writes as two, such as the end of a line.
        return 2 * (int(texts.sum()) + beside * len(texts))

    def search(self, question: str, *, limit: int) -> list[Hit]:
        """The passages that fit a question best, the best first."""
        asked = list(dict.fromkeys(quoting.terms_of(question)))
        if not asked or not len(self):
            return []
        by_words, by_meaning = self._by_words(asked), self._by_meaning(asked)
        fused: defaultdict[int, float] = defaultdict(float)
        for scores in (by_words, by_meaning):
            for rank, at in enumerate(_best(scores), start=1):
                fused[at] += 1 / (_RANK_OFFSET + rank)
        # Equal ranks go by place, so that the same release answers the same.
        ranked = sorted(fused, key=lambda at: (-fused[at], at))
        return [
            Hit(self._passage(at), fused[at], float(by_words[at]), float(by_meaning[at]))
            for at in ranked[:limit]
        ]

    def _by_words(self, asked: Sequence[str]) -> NDArray[np.float32]:
        scores = np.zeros(len(self), np.float32)
        ends = self._arrays["term_ends"]
        for at in (self._terms[term] for term in asked if term in self._terms):
            span = slice(ends[at - 1] if at else 0, ends[at])
            scores[self._arrays["postings"][span]] += self._arrays["weights"][span]
        return scores

    def _by_meaning(self, asked: Sequence[str]) -> NDArray[np.float32]:
        nearness: NDArray[np.float32] = self._vectors @ reading.word_vectors().mean(" ".join(asked))
        return nearness

    def _passage(self, at: int) -> SourcePassage:
        which = int(np.searchsorted(self._first, at, side="right")) - 1
        ends, arrays = self._arrays["text_ends"], self._arrays
        text = arrays["texts"][ends[at - 1] if at else 0 : ends[at]].tobytes().decode()
        return SourcePassage(
            source=self.sources[which].path,
            number=at - int(self._first[which]) + 1,
            heading=self._headings[arrays["headings"][at]],
            page=int(arrays["pages"][at]) or None,
            text=text,
        )


def _bytes(text: str) -> int:
    return len(text.encode())


def _terms(passage: SourcePassage) -> list[str]:
    return quoting.terms_of(f"{passage.heading}\n{passage.text}")


def _packed(value: Any) -> Bytes:
    # Named tuples are no rows to orjson, lists are.
    return np.frombuffer(orjson.dumps(value, default=list), np.uint8)


def _postings(
    terms: Sequence[str], holders: Sequence[NDArray[np.int32]], *, passages: int
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Every term, by the alphabet, with the passages that have it and its BM25 weight in each."""
    held = np.concatenate([np.zeros((0, 3), np.int32), *holders])
    order = sorted(range(len(terms)), key=terms.__getitem__)
    rank = np.empty(len(terms), np.int32)
    rank[order] = np.arange(len(terms))
    # Passages ascend from source to source and within each, and the sort keeps that.
    held = held[np.argsort(rank[held[:, 0]], kind="stable")]
    postings, often = held[:, 1].copy(), held[:, 2].astype(np.float32)
    lengths = np.bincount(postings, often, passages).astype(np.float32)
    sizes = np.bincount(held[:, 0], minlength=len(terms))[order]
    rarity = np.log(1 + (passages - sizes + 0.5) / (sizes + 0.5)).astype(np.float32)
    mean = float(lengths.mean()) if passages else 0.0
    damping = _K1 * (1 - _B + _B * lengths[postings] / (mean or 1.0))
    weights = np.repeat(rarity, sizes) * often * (_K1 + 1) / (often + damping)
    named = [terms[at] for at in order]
    return named, np.cumsum(sizes), postings, weights.astype(np.float32)


def _best(scores: NDArray[np.float32]) -> list[int]:
    """Places of the highest scores above 0, the highest first, equal ones by place."""
    kept = min(_CANDIDATES, len(scores))
    bar = max(float(np.partition(scores, -kept)[-kept]), float(np.finfo(np.float32).tiny))
    found = np.flatnonzero(scores >= bar)
    order = np.lexsort((found, -scores[found]))
    best: list[int] = found[order][:_CANDIDATES].tolist()
    return best
