"""Brings cases of other tools along, and says what of them could not be kept."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from lineside.core import Invalid
from lineside.evals.dataset import Case, Dataset, dataset_of, id_from_content
from lineside.evals.datasets import promptfoo
from lineside.evals.datasets.files import FileEntry, parse_file, refuse_large
from lineside.evals.datasets.folders import read_folder, read_registry
from lineside.evals.datasets.forms import (
    FORMS,
    CaseForm,
    TableColumns,
    form_of,
    unknown_form,
)

Fill = Callable[[dict[str, Any]], dict[str, Any]]

_CASES_MAX = 1_000_000
_HOLDERS = ("goldens", "conversational_goldens", "data", "items", "samples", "records")


@dataclass(frozen=True)
class ImportedCases:
    """What became of a file.

    Attributes:
        form: Whose form it was, such as `inspect`.
        read: Entries in the file.
        left_out: Reason to the number of entries that were left out for it.
        unread: What entries say that cases have no place for, to how often they say it.
    """

    form: str
    dataset: Dataset
    read: int
    left_out: dict[str, int] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)


def import_cases(
    place: Path,
    *,
    form: str | None = None,
    columns: TableColumns | None = None,
    bytes_max: int | None = None,
) -> ImportedCases:
    """Read another tool's cases; nothing is dropped without being counted.

    Args:
        place: A file of JSON, JSON lines, YAML, CSV, Parquet or Arrow; a file of the OpenAI evals
            registry; or a folder that Hugging Face `datasets` wrote or that was cloned.
        form: Whose form it is; without it the form is told by the keys of the first entry.
        columns: What the fields of an entry are, where it is nobody's form.
        bytes_max: A larger file is refused before it is read.

    Raises:
        Invalid: It cannot be read, its form is not known, or none of it is a case.
        Unavailable: It is an Arrow file, and pyarrow is not installed.
    """
    unread: Counter[str] = Counter()
    _check_size(place, bytes_max)
    entries = _limited(place, _entries(place, unread))
    first = next((entry.value for entry in entries if isinstance(entry.value, dict)), {})
    chosen = "table" if columns else form or form_of(place.name, first)
    if not columns and chosen not in FORMS:
        raise unknown_form(f"`{chosen[:40]}` is no form of cases")
    fill: Fill | None = None
    if chosen in promptfoo.FORMS:
        fill = partial(promptfoo.filled, folder=place if place.is_dir() else place.parent)
    if columns:
        columns.require_in(place.name, [entry.value for entry in entries])
    how = columns.form() if columns else FORMS[chosen]
    cases, left_out = _read(entries, how, unread, fill=fill)
    if not cases:
        reasons = "; ".join(f"{count:,}: {text}" for text, count in left_out.items())
        raise Invalid(
            "no_cases",
            f"`{place.name}` holds no case of the form `{chosen}`: {reasons or 'it is empty'}",
            hint="Say whose form it is with `--as`.",
        )
    return ImportedCases(
        chosen, dataset_of(place.stem, cases), len(entries), dict(left_out), dict(+unread)
    )


def _check_size(place: Path, bytes_max: int | None) -> None:
    files = place.rglob("*") if place.is_dir() else [place]
    size = sum(file.stat().st_size for file in files if file.is_file())
    if bytes_max is not None:
        refuse_large(place.name, size, bytes_max)


def _entries(place: Path, unread: Counter[str]) -> Iterator[FileEntry]:
    if place.is_dir():
        yield from read_folder(place, unread)
        return
    whole = parse_file(place)
    if isinstance(whole, dict) and (samples := read_registry(place, whole)) is not None:
        yield from samples
        return
    if promptfoo.is_configuration(whole):
        yield from map(FileEntry, promptfoo.tests_of(whole, unread))
        return
    if isinstance(whole, dict):
        held = [key for key in _HOLDERS if isinstance(whole.get(key), list)]
        for key, value in whole.items() if held else ():
            unread[key] += key not in held and bool(value)
        whole = [entry for key in held for entry in whole[key]] if held else [whole]
    yield from map(FileEntry, whole if isinstance(whole, list) else [whole])


def _limited(place: Path, entries: Iterator[FileEntry]) -> list[FileEntry]:
    found: list[FileEntry] = []
    for entry in entries:
        if len(found) == _CASES_MAX:
            raise Invalid(
                "dataset_too_large",
                f"`{place.name}` has more than {_CASES_MAX:,} cases",
                hint="Split it.",
            )
        found.append(entry)
    return found


def _read(
    entries: list[FileEntry], form: CaseForm, unread: Counter[str], *, fill: Fill | None
) -> tuple[list[Case], Counter[str]]:
    cases: dict[str, Case] = {}
    left_out: Counter[str] = Counter()
    repeats: Counter[str] = Counter()
    for value, split in entries:
        if reason := _no_case(value):
            left_out[reason] += 1
            continue
        told: Counter[str] = Counter()
        try:
            case = form.case(fill(value) if fill else value, told)
        except promptfoo.NotTaken as wrong:
            left_out[str(wrong)] += 1
            continue
        if not any(given not in (None, "", [], {}) for given in case.input.values()):
            left_out["no input"] += 1
            continue
        if split and not case.split:
            case = replace(case, split=split)
        if not case.id:
            base = id_from_content(case, repeat=0)
            case = replace(case, id=id_from_content(case, repeat=repeats[base]))
            repeats[base] += 1
        if case.id in cases:
            left_out["id stands there again"] += 1
            continue
        unread.update(told)
        cases[case.id] = case
    return list(cases.values()), left_out


def _no_case(value: Any) -> str:
    """Why an entry cannot be a case, in a few words."""
    if isinstance(value, str) and "://" in value:
        return "it only names another file; import that one too"
    if not isinstance(value, dict):
        return "no object with fields"
    return "archived" if value.get("status") == "ARCHIVED" else ""
