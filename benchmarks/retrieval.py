"""Claim: hybrid retrieval over 100,000 passages takes at most 50 ms at the median.

    .venv/bin/python benchmarks/retrieval.py [--passages N] [--json]

Passages of 60 to 160 words are drawn from 30,000 made-up words by Zipf's law, so that common words
have long postings, as in real text. A question takes six words of one passage; the index is built
and opened as a release's is. Times are of the search alone, BM25 and vectors fused, in this
process; what choosing quotes adds is told beside it. There are no peers here; `--peers` changes
nothing.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
from report import Report, options

from lineside.apps.answers.index import SourceIndex, build_index, make_part
from lineside.apps.answers.passages import SourcePassage
from lineside.gateway import quoting

_WORDS = 30_000
_PER_SOURCE = 1_000
_QUESTIONS = 200
_LIMIT = 6


def main() -> None:
    given = options(
        __doc__, lambda parser: parser.add_argument("--passages", type=int, default=100_000)
    )
    report = Report(f"hybrid retrieval over {given.passages:,} passages")
    passages = _made(given.passages)
    started = time.perf_counter()
    parts = [
        (source[0].source, "sha256:none", make_part(source))
        for source in (
            passages[at : at + _PER_SOURCE] for at in range(0, len(passages), _PER_SOURCE)
        )
    ]
    content = build_index(parts)
    report.add("indexed_seconds", time.perf_counter() - started, "s", note="read, not parsed")
    report.add("index_mb", len(content) / 1e6, "MB")
    started = time.perf_counter()
    index = SourceIndex(content)
    report.add("opened_seconds", time.perf_counter() - started, "s")
    _measure(report, index, passages)
    report.close(as_json=given.json)


def _measure(report: Report, index: SourceIndex, passages: list[SourcePassage]) -> None:
    choice = np.random.default_rng(7)
    wanted = [passages[at] for at in choice.integers(0, len(passages), _QUESTIONS)]
    questions = [" ".join(choice.choice(passage.text.split(), 6)) for passage in wanted]
    found = [
        [hit.passage for hit in index.search(question, limit=_LIMIT)] for question in questions
    ]
    hits = sum(passage in some for passage, some in zip(wanted, found, strict=True))
    report.add("found_share", hits / len(wanted), "", note=f"the passage is among the {_LIMIT}")
    times = _times_ms(questions, lambda question: index.search(question, limit=_LIMIT))
    report.add("search_ms_p50", statistics.median(times), "ms", goal="<= 50")
    report.add("search_ms_p95", times[round(0.95 * len(times)) - 1], "ms")
    held = [{"id": passage.id, "text": passage.text} for passage in found[0]]
    times = _times_ms(questions, lambda question: quoting.best_quotes(question, held))
    report.add("quotes_ms_p50", statistics.median(times), "ms", note="sentences of 6 passages")


def _times_ms(questions: list[str], call: Callable[[str], object]) -> list[float]:
    taken = []
    for question in questions:
        started = time.perf_counter()
        call(question)
        taken.append((time.perf_counter() - started) * 1000)
    return sorted(taken)


def _made(count: int) -> list[SourcePassage]:
    choice = np.random.default_rng(1)
    letters = np.array(list("abcdefghiklmnoprstuvw"))
    words = np.array(
        ["".join(choice.choice(letters, choice.integers(3, 10))) for _ in range(_WORDS)]
    )
    shares = 1 / np.arange(1, _WORDS + 1)
    shares /= shares.sum()
    made = []
    for at in range(count):
        drawn = choice.choice(words, choice.integers(60, 161), p=shares)
        lines = [" ".join(drawn[first : first + 15]) for first in range(0, len(drawn), 15)]
        source = f"sources/{at // _PER_SOURCE:04}.md"
        made.append(SourcePassage(source, at % _PER_SOURCE + 1, "", None, "\n".join(lines)))
    return made


if __name__ == "__main__":
    main()
