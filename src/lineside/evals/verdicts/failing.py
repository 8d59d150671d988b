"""Slices of a run in which more answers fail than elsewhere, over all answers of the run."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from lineside.core import Record
from lineside.evals.queries import FAILED, FINE
from lineside.evals.verdicts import queries
from lineside.evals.verdicts.slices import CASES_MIN, SLICES_MAX, codes_of, p_unlike_rest
from lineside.stats import multiplicity, np
from lineside.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VALUE_CHARACTERS_MAX = 60


class FailingSlice(Record):
    """A slice and how often its cases fail, against all others.

    Attributes:
        slice: A slice of the dataset, `expected <field>`, or `input length`, that of its JSON.
        p_adjusted: Against "it fails as often as the rest", corrected for all that were looked at.
        is_clear: Whether that cannot be luck.
    """

    slice: str
    value: str
    cases: int
    failed: int
    share: float
    share_elsewhere: float
    p_adjusted: float
    is_clear: bool


class AnswerCounts(NamedTuple):
    """All answers of a run, counted.

    Attributes:
        failed: Those that are wrong or have no answer.
        codes: How many got no answer, by error code.
        slices: The surest first.
    """

    cases: int
    failed: int
    codes: Counter[str]
    slices: list[FailingSlice]


def count_answers(store: Store, run_id: str) -> AnswerCounts:
    """Read every answer of a run once; of each only a few numbers are kept."""
    names: dict[tuple[str, str], int] = {}
    inside, rows = array("i"), array("i")
    failed, lengths = array("b"), array("i")
    keys: list[str] = []
    codes: Counter[str] = Counter()
    with store.records.read() as connection:
        for row in queries.answers_of_run(connection, run_id):
            for name in (*row.slices.items(), *_expected(row.expected)):
                inside.append(names.setdefault(name, len(names)))
                rows.append(len(keys))
            failed.append(row.standing != FINE)
            lengths.append(row.input_characters)
            keys.append(f"c:{row.cluster}" if row.cluster else f"i:{row.case_id}")
            if row.standing == FAILED:
                codes[row.error_code or "scorer failed"] += 1
    wrong = np.array(failed, dtype=float)
    members = _large(list(names), np.array(inside), np.array(rows))
    members |= {
        ("input length", name): places for name, places in _by_length(np.array(lengths)).items()
    }
    return AnswerCounts(len(keys), int(wrong.sum()), codes, _slices(members, wrong, codes_of(keys)))


def _large(
    names: list[tuple[str, str]], inside: NDArray[Any], rows: NDArray[Any]
) -> dict[tuple[str, str], NDArray[Any]]:
    """The answers in each slice that is large enough to be looked at; the largest 200."""
    sizes = np.bincount(inside, minlength=len(names)) if len(names) else np.zeros(0, dtype=int)
    order = np.argsort(-sizes, kind="stable")[:SLICES_MAX].tolist()
    return {names[at]: rows[inside == at] for at in order if sizes[at] >= CASES_MIN}


def _slices(
    members: Mapping[tuple[str, str], NDArray[Any]],
    wrong: NDArray[np.float64],
    clusters: NDArray[Any] | None,
) -> list[FailingSlice]:
    p_values = [p_unlike_rest(wrong, places, clusters) for places in members.values()]
    corrected = multiplicity.benjamini_yekutieli(p_values)
    found = [
        _failing_slice(key, places, wrong, p_adjusted)
        for (key, places), p_adjusted in zip(members.items(), corrected, strict=True)
    ]
    return sorted(found, key=lambda one: (one.p_adjusted, -one.share, one.slice, one.value))


def _failing_slice(
    key: tuple[str, str],
    places: NDArray[Any],
    wrong: NDArray[np.float64],
    p_adjusted: float,
) -> FailingSlice:
    inside = float(wrong[places].sum())
    outside = max(1, wrong.size - places.size)
    return FailingSlice(
        slice=key[0],
        value=key[1],
        cases=places.size,
        failed=int(inside),
        share=inside / places.size,
        share_elsewhere=(float(wrong.sum()) - inside) / outside,
        p_adjusted=p_adjusted,
        is_clear=p_adjusted < 0.05,
    )


def _expected(expected: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in expected.items():
        if isinstance(value, bool | str) and len(str(value)) <= _VALUE_CHARACTERS_MAX:
            yield f"expected {name}", str(value)


def _by_length(lengths: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Inputs in three parts by their length, as far as lengths differ."""
    if len(lengths) < 3 * CASES_MIN:
        return {}
    low, high = np.quantile(lengths, (1 / 3, 2 / 3))
    if not low < high:
        return {}
    parts = {
        f"up to {low:.0f} characters": lengths <= low,
        f"{low:.0f} to {high:.0f} characters": (lengths > low) & (lengths <= high),
        f"over {high:.0f} characters": lengths > high,
    }
    places = {name: np.flatnonzero(chosen) for name, chosen in parts.items()}
    return {name: found for name, found in places.items() if found.size >= CASES_MIN}
