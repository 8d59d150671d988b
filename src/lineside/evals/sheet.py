"""The scores of a large run in columns, kept beside its results so that they read at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import orjson

from lineside.evals import queries
from lineside.evals.run import Run
from lineside.stats import np
from lineside.store import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

CASES_MIN = 1_000
"""Smaller runs read quickly enough from their results."""


@dataclass(frozen=True)
class Sheet:
    """What every case of a run scored, in the order of the dataset.

    Attributes:
        values: A row for each scorer of the run; not a number where there is no score.
        missing: Alike; whether the score should be there.
        slices: The different slices that cases lie in; `slice_codes` says which, for each case.
        clusters: For each case; nothing where no case has one.
        asked: Digests of inputs and expectations, where they were read to tell them apart; never
            kept.
    """

    ids: list[str]
    values: "NDArray[Any]"
    missing: "NDArray[Any]"
    slices: list[dict[str, str]]
    slice_codes: "NDArray[Any]"
    clusters: list[str | None] | None
    asked: list[bytes] | None = None


def places_by_slice(
    slices: Sequence[Mapping[str, str]], slice_codes: "NDArray[Any]"
) -> dict[str, dict[str, "NDArray[Any]"]]:
    """Name of a slice to its values, each with the places of the cases in it, in order."""
    if not slices:
        return {}
    order = np.argsort(slice_codes, kind="stable")
    ends = np.cumsum(np.bincount(slice_codes, minlength=len(slices)))
    parts: dict[tuple[str, str], list[NDArray[Any]]] = {}
    for lies_in, inside in zip(slices, np.split(order, ends[:-1]), strict=True):
        for name_and_value in lies_in.items() if inside.size else ():
            parts.setdefault(name_and_value, []).append(inside)
    found: dict[str, dict[str, NDArray[Any]]] = {}
    for (name, value), insides in sorted(parts.items()):
        found.setdefault(name, {})[value] = np.sort(np.concatenate(insides))
    return found


def write_sheet(store: Store, run: Run, measures: Iterable[str]) -> str | None:
    """Keep the sheet of a run and return its digest; nothing for runs that need none.

    Args:
        measures: Scores that are always there, such as the latency, known or not.
    """
    if run.repetitions > 1 or run.cases_done < CASES_MIN:
        return None
    names = [item.name for item in run.scorers]
    always = set(measures)
    values = np.full((len(names), run.cases_done), np.nan)
    missing = np.zeros((len(names), run.cases_done), dtype=bool)
    slice_codes = np.zeros(run.cases_done, dtype=np.int32)
    ids: list[str] = []
    clusters: list[str | None] = []
    slices: dict[str, int] = {}
    with store.records.read() as connection:
        for place, row in enumerate(queries.judged_rows(connection, run.id, with_input=False)):
            ids.append(row.case_id)
            clusters.append(row.cluster)
            key = orjson.dumps(row.slices).decode()
            slice_codes[place] = slices.setdefault(key, len(slices))
            for at, name in enumerate(names):
                score = row.scores.get(name, {})
                value = score.get("value")
                if value is not None:
                    values[at, place] = value
                elif row.error_code or score.get("error") or name in always:
                    missing[at, place] = True
    words = {
        "ids": ids,
        "clusters": clusters if any(clusters) else None,
        "slices": [orjson.loads(key) for key in slices],
    }
    file = BytesIO()
    text = np.frombuffer(orjson.dumps(words), dtype=np.uint8)
    np.savez(file, words=text, values=values, missing=missing, slice_codes=slice_codes)
    return store.blobs.put(file.getvalue())


def read_sheet(store: Store, digest: str) -> Sheet:
    """Read what `write_sheet` kept."""
    with np.load(BytesIO(store.blobs.get(digest)), allow_pickle=False) as file:
        words = orjson.loads(file["words"].tobytes())
        arrays = {name: file[name] for name in ("values", "missing", "slice_codes")}
    return Sheet(**words, **arrays)
