"""Reads datasets from JSONL and CSV files: whole and right, or not at all."""

import codecs
import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from lineside.core import Invalid, did_you_mean
from lineside.evals.dataset import Case, Dataset, dataset_of, id_from_content
from lineside.evals.datasets.files import refuse_large
from lineside.gateway import Form, shorten, show

_PROBLEMS_MAX = 20
_WORD_LENGTH_MAX = 200
_KEYS = ("id", "input", "expected", "slices", "source", "cluster", "split")
_COLUMNS = ("id", "input.…", "expected.…", "slice.…", "source", "cluster", "split")
_WORDS = ("id", "source", "cluster", "split")
_PARTS = {"input": "input", "expected": "expected", "slice": "slices"}

Line = tuple[int, dict[str, Any] | str]
"""A line number with the raw case it holds, or with what is wrong with it in a sentence."""


def read_dataset(
    name: str,
    content: bytes | Path,
    *,
    input_schema: Mapping[str, Any],
    output_schema: Mapping[str, Any],
    bytes_max: int,
) -> Dataset:
    """Read a dataset, or say all at once what is wrong with it and load nothing.

    A JSONL file has one object a line with `input` and, as wanted, `id`, `expected` (any fields of
    the output), `slices`, `source`, `cluster` and `split`. A CSV file has a header line with the
    columns `input.<field>`, `id`, `expected.<field>`, `slice.<name>`, `source`, `cluster` and
    `split`; an empty cell is a missing value. A case without an id gets one made from its content.
    The file is read line by line.

    Args:
        name: The file's name as the person knows it; `.jsonl` or `.csv` says the format.
        bytes_max: A larger file is refused before it is read.

    Raises:
        Invalid: `dataset_too_large`, `dataset_format`, `dataset_missing`, or `bad_dataset` with up
            to 20 problems, each with its line.
    """
    size = _size(name, content)
    refuse_large(name, size, bytes_max)
    suffix = Path(name).suffix.lower()
    if suffix not in {".jsonl", ".ndjson", ".csv"}:
        raise Invalid(
            "dataset_format",
            f"`{name}` ends with `{suffix}`, expected `.jsonl` or `.csv`",
            hint="Save it as JSON lines or as CSV.",
        )
    reader = _Reader(Form(input_schema), Form(output_schema, is_partial=True))
    with _opened(content) as file:
        lines = _csv_lines(file, reader) if suffix == ".csv" else _jsonl_lines(file)
        dataset = dataset_of(Path(name).stem, reader.cases(lines))
    if reader.problem_count:
        raise _bad_dataset(name, reader, lines=_count_lines(content))
    if not len(dataset):
        raise Invalid(
            "bad_dataset",
            f"`{name}` holds no cases ({size:,} bytes)",
            hint='Write one case a line, such as {"input": {…}, "expected": {…}}.',
        )
    return dataset


class _Reader:
    """Turns raw lines into cases and collects what is wrong with them."""

    def __init__(self, input_form: Form, output_form: Form) -> None:
        self.input_form = input_form
        self.output_form = output_form
        self.problems: list[tuple[int, str]] = []
        self.problem_count = 0
        self._line_of: dict[str, int] = {}
        self._repeats: dict[str, int] = {}

    def cases(self, lines: Iterator[Line]) -> Iterator[Case]:
        for number, raw in lines:
            case, wrong = (None, [raw]) if isinstance(raw, str) else self._read(number, raw)
            for text in wrong:
                self._note(number, text)
            # Once the file is known to be wrong, its cases are no longer worth their memory.
            if case is not None and not self.problem_count:
                yield case

    def _note(self, number: int, text: str) -> None:
        self.problem_count += 1
        if len(self.problems) < _PROBLEMS_MAX:
            self.problems.append((number, text))

    def _read(self, number: int, raw: dict[str, Any]) -> tuple[Case | None, list[str]]:
        wrong = _wrong_shape(raw)
        if wrong:
            return None, wrong
        wrong += [f"input: {text}" for text in self.input_form.problems(raw["input"])]
        expected = raw.get("expected") or {}
        wrong += [f"expected: {text}" for text in self.output_form.problems(expected)]
        case = Case(
            id=_word(raw.get("id")) or "",
            input=raw["input"],
            expected=expected,
            slices={key: _word(value) or "" for key, value in (raw.get("slices") or {}).items()},
            source=_word(raw.get("source")),
            cluster=_word(raw.get("cluster")),
            split=_word(raw.get("split")),
        )
        if case.id:
            first = self._line_of.setdefault(case.id, number)
            if first != number:
                wrong.append(f"id {show(case.id)} again, first on line {first:,}")
        else:
            case = self._named(case, number)
        return case, wrong

    def _named(self, case: Case, number: int) -> Case:
        """Give an id to a case that has none: the same file gives the same ids."""
        base = id_from_content(case, repeat=0)
        repeat = self._repeats.get(base, 0)
        while (name := id_from_content(case, repeat=repeat)) in self._line_of:
            repeat += 1
        self._repeats[base] = repeat + 1
        self._line_of[name] = number
        return replace(case, id=name)


def _wrong_shape(raw: dict[str, Any]) -> list[str]:
    wrong = [_unknown(key, _KEYS) for key in raw if key not in _KEYS]
    if "input" not in raw:
        wrong.append(f"read {show(raw)}, expected `input` with the input's fields")
    for part in ("input", "expected", "slices"):
        value = raw.get(part)
        if (part in raw and value is not None and not isinstance(value, dict)) or (
            part == "input" and part in raw and value is None
        ):
            wrong.append(f"`{part}` is {show(value)}, expected an object with fields")
    if isinstance(raw.get("slices"), dict):
        wrong += [_wrong_word(f"slices.{key}", value) for key, value in raw["slices"].items()]
    wrong += [_wrong_word(key, raw.get(key)) for key in _WORDS]
    return [text for text in wrong if text]


def _wrong_word(key: str, value: Any) -> str:
    if value is not None and not isinstance(value, str | int | float):
        return f"`{key}` is {show(value)}, expected a text"
    if isinstance(value, str) and ("\0" in value or len(value) > _WORD_LENGTH_MAX):
        return f"`{key}` is {show(value)}, expected at most {_WORD_LENGTH_MAX} characters"
    return ""


def _jsonl_lines(file: BinaryIO) -> Iterator[Line]:
    for number, raw in enumerate(file, start=1):
        line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        if not line.strip():
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield number, _not_json(line, error)
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            yield number, f"read {show(value)}, expected one JSON object a line"


def _not_json(line: bytes, error: ValueError) -> str:
    text, not_text = decoded(line)
    if not_text:
        return not_text
    return f"read {_quoted(text)}, expected one JSON object a line ({error})"


def _csv_lines(file: BinaryIO, reader: _Reader) -> Iterator[Line]:
    broken: list[Line] = []

    def texts() -> Iterator[str]:
        for number, raw in enumerate(file, start=1):
            line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            text, wrong = decoded(line)
            if wrong:
                broken.append((number, wrong))
            yield text

    rows = csv.reader(texts(), strict=True)
    columns: list[tuple[str, str]] = []
    number = 1
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            # The rest cannot be trusted: an open quotation mark swallows all that follows.
            yield number, f"not CSV: {error}; longer texts and other forms fit into JSONL"
            return
        yield from broken
        broken.clear()
        if row is None:
            return
        if row and not columns:
            columns, wrong = _header(row)
            yield from ((number, text) for text in wrong)
            if wrong:
                return
        elif any(row):
            yield number, _row_case(row, columns, reader)
        number = rows.line_num + 1


def _header(row: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Split each column's name into the part of a case and the field in it."""
    columns, wrong = [], []
    names = [name.strip() for name in row]
    for at, name in enumerate(names):
        part, _, field = name.partition(".")
        if name in _WORDS:
            columns.append((name, ""))
        elif part in _PARTS and field:
            columns.append((_PARTS[part], field))
        else:
            wrong.append(f"column {_unknown(name, _COLUMNS)}")
        if name in names[:at]:
            wrong.append(f"column `{shorten(name, 80)}` stands there twice")
    if not wrong and not any(part == "input" for part, _ in columns):
        wrong.append("no column starts with `input.`, expected one for each field of the input")
    return columns, wrong


def _row_case(
    row: list[str], columns: list[tuple[str, str]], reader: _Reader
) -> dict[str, Any] | str:
    if len(row) != len(columns):
        return f"read {len(row)} cells, the header has {len(columns)} columns"
    case: dict[str, Any] = {"input": {}}
    for (part, field), cell in zip(columns, row, strict=True):
        if not cell.strip():
            continue
        if part == "input":
            case["input"][field] = reader.input_form.read_cell(field, cell)
        elif part == "expected":
            case.setdefault(part, {})[field] = reader.output_form.read_cell(field, cell)
        elif part == "slices":
            case.setdefault(part, {})[field] = cell.strip()
        else:
            case[part] = cell.strip()
    return case


def decoded(line: bytes) -> tuple[str, str | None]:
    """The text of a line, and what is wrong with it where it is not UTF-8."""
    try:
        return line.decode(), None
    except UnicodeDecodeError as error:
        text = line.decode(errors="replace")
        if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return text, "the file is UTF-16, expected UTF-8; save it as UTF-8"
        byte = line[error.start]
        return text, f"byte {error.start + 1} is 0x{byte:02X}, expected UTF-8: {_quoted(text)}"


def _unknown(name: str, known: tuple[str, ...]) -> str:
    if f"{name}.…" in known:
        return f"`{name}` is not known, expected the name of a field behind it, as `{name}.message`"
    near = did_you_mean(name.partition(".")[0], [word.partition(".")[0] for word in known])
    guess = f"did you mean `{near}`?" if near else f"expected one of {', '.join(known)}"
    return f"`{shorten(name, 80)}` is not known, {guess}"


def _quoted(text: str) -> str:
    return f"`{shorten(text.strip(), 80)}`"


def _word(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bad_dataset(name: str, reader: _Reader, *, lines: int) -> Invalid:
    sentences = [f"line {number:,} of {lines:,}: {text}" for number, text in reader.problems]
    hidden = reader.problem_count - len(sentences)
    if hidden:
        sentences.append(f"and {hidden:,} more")
    if len(sentences) == 1:
        text = f"`{name}`, {sentences[0]}"
    else:
        text = f"`{name}` has {reader.problem_count:,} problems:\n" + "\n".join(
            f"  {sentence}" for sentence in sentences
        )
    return Invalid("bad_dataset", text, hint="Correct the file; nothing of it was loaded.")


@contextmanager
def _opened(content: bytes | Path) -> Iterator[BinaryIO]:
    if isinstance(content, bytes):
        yield BytesIO(content)
        return
    with content.open("rb") as file:
        yield file


def _size(name: str, content: bytes | Path) -> int:
    if isinstance(content, bytes):
        return len(content)
    try:
        return content.stat().st_size
    except OSError as error:
        raise Invalid(
            "dataset_missing",
            f"`{name}` cannot be read: {error.strerror}",
            hint="Check the path of the dataset; in a manifest it is `tests.dataset`.",
        ) from error


def _count_lines(content: bytes | Path) -> int:
    with _opened(content) as file:
        return sum(1 for _ in file)
