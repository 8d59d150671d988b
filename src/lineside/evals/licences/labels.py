"""What people, and perhaps a judge, said of answers: a file of labels as numbers."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose, nan
from pathlib import Path
from typing import Any, Protocol

import orjson

from lineside.core import Invalid, Record, did_you_mean
from lineside.evals.datasets.files import refuse_large

ROWS_MAX = 100_000
BYTES_MAX = 256 * 1024 * 1024
_CHANCE = "chance"
_PLAIN = {
    **dict.fromkeys(("1", "true", "yes", "pass", "good", "right"), 1.0),
    **dict.fromkeys(("0", "false", "no", "fail", "bad", "wrong"), 0.0),
}

Row = Mapping[str, Any]


class _Answer(Protocol):
    @property
    def case_id(self) -> str: ...

    @property
    def cluster(self) -> str | None: ...


class LabelColumns(Record):
    """Which column of a file of labels holds what.

    Attributes:
        people: One column for each person; an empty cell is an answer they did not label.
        verdict: What a judge said, where its verdicts were recorded elsewhere.
        again: What the same judge said when it was asked once more.
        text: The answer that was judged, to see whether its length sways the judge.
        cluster: Answers with the same value are related and count as such.
        slices: Columns to look for gaps in, such as the language.
    """

    case: str = "case"
    people: tuple[str, ...] = ("label",)
    verdict: str = "verdict"
    again: str | None = None
    text: str | None = None
    cluster: str | None = None
    slices: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelledAnswer:
    """One answer, and what each side said of it from 0 to 1.

    Attributes:
        people: What most of those who labelled it said; nothing where nobody did or they tied.
        raters: What each said, in the order of the columns.
        judge: Nothing where the judge gave no verdict that can be read.
        characters: Length of the answer, where it is known.
    """

    case_id: str
    people: float | None
    raters: tuple[float | None, ...]
    judge: float | None
    again: float | None = None
    cluster: str | None = None
    characters: int | None = None
    slices: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_labelled(self) -> bool:
        return any(said is not None for said in self.raters)


class Scale:
    """How words become numbers: levels of a judge, words that count as yes, or plain yes and no.

    Args:
        levels: Word to number.
        yes: Words that count as 1; every other word that people used is 0.
    """

    def __init__(self, *, levels: Mapping[str, float] | None = None, yes: Sequence[str] = ()):
        self._levels = {word.casefold(): value for word, value in (levels or {}).items()}
        self._yes = {_word(word) for word in yes}
        self._used: set[str] = set()

    def of_people(self, said: Any, *, line: int, column: str) -> float | None:
        """The number of a label, nothing for an empty cell.

        Raises:
            Invalid: `bad_label` names the line and the words that can be read.
        """
        word = _word(said)
        if not word:
            return None
        if self._yes:
            self._used.add(word)
            return float(word in self._yes)
        value = self._number(word)
        if value is None:
            known = list(self._levels) or ["yes", "no"]
            near = did_you_mean(word, known)
            raise Invalid(
                "bad_label",
                f"Line {line}: `{column}` is `{word[:60]}`, expected {', '.join(known)} "
                "or a number from 0 to 1",
                hint=f"Did you mean `{near}`?" if near else "Say with --yes which words are a yes.",
            )
        return value

    def of_judge(self, said: Any) -> float | None:
        """The number of a verdict; nothing for a word that people do not use: it is no verdict."""
        word = _word(said)
        if self._yes:
            return float(word in self._yes) if word in self._used | self._yes else None
        return self._number(word) if word else None

    def _number(self, word: str) -> float | None:
        if word in self._levels:
            return self._levels[word]
        if word in _PLAIN:
            return _PLAIN[word]
        try:
            value = float(word)
        except ValueError:
            return None
        return value if 0 <= value <= 1 else None


def read_label_rows(path: Path) -> list[Row]:
    """Read a file of labels: CSV with a header line, or JSONL with one object a line.

    Raises:
        Invalid: `labels_missing`, `labels_too_large`, `labels_format` names the line.
    """
    if not path.is_file():
        raise Invalid(
            "labels_missing",
            f"There is no file `{path}`",
            hint="`lineside judges sample NAME` writes one to fill in.",
        )
    refuse_large(
        path.name,
        path.stat().st_size,
        BYTES_MAX,
        code="labels_too_large",
        hint="Leave out columns that are not needed, such as the answers.",
    )
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("labels_format", f"`{path.name}` is no UTF-8: {error.reason}") from error
    is_lines = path.suffix in (".jsonl", ".ndjson")
    rows = _jsonl(path.name, text) if is_lines else _csv(path.name, text)
    return check_rows(rows)


def check_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows, where there are some and not too many."""
    if not rows:
        raise Invalid(
            "no_labels",
            "The labels have no rows",
            hint="Write a header line with `case` and `label`, then one line for each answer.",
        )
    if len(rows) > ROWS_MAX:
        raise Invalid("too_many_labels", f"There are {len(rows):,} rows, the limit is {ROWS_MAX:,}")
    return list(rows)


def refuse_unequal_chances(rows: Sequence[Row], columns: LabelColumns) -> None:
    """Refuse labels that were not drawn at random, as the column `chance` of a review tells.

    Of answers that were picked where the judge may be wrong, too many are those where it is.

    Raises:
        Invalid: `unequal_chances` names two lines; `bad_chance`.
    """
    first: tuple[int, float] | None = None
    for line, row in enumerate(rows, start=2):
        said = _word(row.get(_CHANCE))
        if not said or not any(_word(row.get(column)) for column in columns.people):
            continue
        try:
            chance = float(said)
        except ValueError:
            chance = nan
        if not 0 < chance <= 1:
            raise Invalid(
                "bad_chance",
                f"Line {line}: `{_CHANCE}` is `{said[:60]}`, expected a number above 0, at most 1",
                hint="It is the chance with which the answer was drawn; leave the column out where "
                "all had the same.",
            )
        first = first or (line, chance)
        if not isclose(chance, first[1], rel_tol=1e-6):
            raise Invalid(
                "unequal_chances",
                f"Line {first[0]} was drawn with the chance {first[1]:.4g} and line {line} with "
                f"{chance:.4g}: such labels do not stand for all answers",
                hint="Draw with `lineside judges sample`, or for a review with `--pick random`.",
            )


def columns_there(rows: Sequence[Row], names: Iterable[str]) -> None:
    """Refuse a column that no row has.

    Raises:
        Invalid: `no_column` names those there are.
    """
    there = list(dict.fromkeys(name for row in rows[:1000] for name in row))
    for name in names:
        if name not in there:
            near = did_you_mean(name, there)
            raise Invalid(
                "no_column",
                f"The labels have no column `{name}`; they have: {', '.join(there[:20])}",
                hint=f"Did you mean `{near}`?" if near else "Name the column that holds it.",
            )


def of_raters(
    row: Row, columns: LabelColumns, scale: Scale, *, line: int
) -> tuple[tuple[float | None, ...], float | None]:
    """What each person said of an answer, and what most said; a tie is nothing."""
    raters = tuple(
        scale.of_people(row.get(column), line=line, column=column) for column in columns.people
    )
    counts = Counter(said for said in raters if said is not None).most_common(2)
    is_tied = len(counts) == 2 and counts[0][1] == counts[1][1]
    return raters, counts[0][0] if counts and not is_tied else None


def recorded_answers(
    rows: Sequence[Row], columns: LabelColumns, scale: Scale
) -> list[LabelledAnswer]:
    """Every row of a file that holds what a judge said beside what people said.

    A row without a label is kept: the judge alone looked at it.
    """
    optional = (columns.again, columns.text, columns.cluster)
    columns_there(
        rows, [*columns.people, columns.verdict, *filter(None, optional), *columns.slices]
    )
    said = [of_raters(row, columns, scale, line=at) for at, row in enumerate(rows, start=2)]
    return [
        LabelledAnswer(
            case_id=_case_of(row, columns, at),
            people=people,
            raters=raters,
            judge=scale.of_judge(row.get(columns.verdict)),
            again=scale.of_judge(row.get(columns.again)) if columns.again else None,
            cluster=str(row.get(columns.cluster)) if columns.cluster else None,
            characters=len(str(row.get(columns.text) or "")) if columns.text else None,
            slices={name: str(row.get(name)) for name in columns.slices},
        )
        for at, (row, (raters, people)) in enumerate(zip(rows, said, strict=True), start=1)
    ]


def keys_of(some: Sequence[_Answer], among: Sequence[_Answer] | None = None) -> list[str] | None:
    """What each of some answers belongs to; nothing where each of all stands for itself.

    Answers of one case are related as those of one cluster are, whatever was said of clusters.

    Args:
        among: All that are looked at together; else only these.
    """
    everything = some if among is None else among
    case_ids = {item.case_id for item in everything}
    if len(case_ids) == len(everything) and all(item.cluster is None for item in everything):
        return None
    return [f"c:{item.cluster}" if item.cluster else f"i:{item.case_id}" for item in some]


def labels_by_case(
    rows: Sequence[Row], columns: LabelColumns, scale: Scale
) -> dict[str, tuple[tuple[float | None, ...], float | None]]:
    """What people said of each case; rows without a label are left out.

    Raises:
        Invalid: `case_labelled_twice`, `no_column`, `bad_label`, `no_labels`.
    """
    columns_there(rows, [columns.case, *columns.people])
    found: dict[str, tuple[tuple[float | None, ...], float | None]] = {}
    for line, row in enumerate(rows, start=2):
        raters, people = of_raters(row, columns, scale, line=line)
        case_id = str(row.get(columns.case))
        if case_id in found:
            raise Invalid(
                "case_labelled_twice",
                f"Line {line}: case `{case_id[:60]}` was labelled before",
                hint="Give each person a column of their own, as in `--people ann --people bob`.",
            )
        if any(said is not None for said in raters):
            found[case_id] = raters, people
    if not found:
        named = ", ".join(f"`{name}`" for name in columns.people)
        raise Invalid(
            "no_labels",
            f"None of the {len(rows):,} rows has a label: {named} is empty",
            hint="Have people fill it in, or name the column that they filled with --people.",
        )
    return found


def _case_of(row: Row, columns: LabelColumns, at: int) -> str:
    """The id of a case; a row without one stands for itself."""
    case_id = row.get(columns.case)
    return f"row {at}" if case_id is None or case_id == "" else str(case_id)


def _csv(name: str, text: str) -> list[Row]:
    # Answers are long: the limit of the module is 128 KiB for one cell.
    csv.field_size_limit(BYTES_MAX)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    try:
        for row in reader:
            if None in row:
                raise csv.Error("more cells than the header")
            rows.append(row)
    except csv.Error as error:
        raise Invalid("labels_format", f"`{name}` line {reader.line_num}: {error}") from error
    return rows


def _jsonl(name: str, text: str) -> list[Row]:
    rows: list[Row] = []
    for line, written in enumerate(text.split("\n"), start=1):
        if not written.strip():
            continue
        try:
            row = orjson.loads(written)
        except orjson.JSONDecodeError as error:
            raise Invalid("labels_format", f"`{name}` line {line} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise Invalid("labels_format", f"`{name}` line {line} is no object")
        rows.append(row)
    return rows


def _word(said: Any) -> str:
    if isinstance(said, bool):
        return "yes" if said else "no"
    return "" if said is None else str(said).strip().casefold()
