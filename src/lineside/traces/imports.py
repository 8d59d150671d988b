"""Bringing along what other products have recorded: a file in, spans kept, and what was refused."""

import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from lineside.core import Invalid, Record, Unavailable
from lineside.store import parquet
from lineside.traces.conventions.received import RawSpan
from lineside.traces.importers import (
    atif,
    deepeval,
    inspect_logs,
    langfuse,
    mlflow,
    otlp,
    own,
    phoenix,
)
from lineside.traces.importers.files import Entry, ExportFile
from lineside.traces.importers.said import Found, Said
from lineside.traces.opinions import Opinions
from lineside.traces.otlp import Refusal
from lineside.traces.otlp_lines import restored
from lineside.traces.record import record_spans
from lineside.traces.scores.arriving import count_scores
from lineside.traces.span import Span
from lineside.trust import Scope

_BATCH_SPANS = 1_000
_BATCH_BYTES = 16 * 1024 * 1024
_REASONS_MAX = 20
_ENTRIES_LOOKED_AT = 20
_FULL_SECONDS_MAX = 120.0
_FULL_PAUSE_SECONDS = 0.5


class _Format(NamedTuple):
    recognises: Callable[[dict[str, Any]], bool]
    read: Callable[[ExportFile], Found]


# In the order they are asked, those with the plainest marks first.
_FORMATS = {
    "lineside": _Format(own.recognises, own.read_own),
    "otlp": _Format(otlp.recognises, otlp.read_otlp),
    "inspect": _Format(inspect_logs.recognises, inspect_logs.read_inspect),
    "atif": _Format(atif.recognises, atif.read_atif),
    "deepeval": _Format(deepeval.recognises, deepeval.read_deepeval),
    "phoenix": _Format(phoenix.recognises, phoenix.read_phoenix),
    "mlflow": _Format(mlflow.recognises, mlflow.read_mlflow_traces),
    "langfuse": _Format(langfuse.recognises, langfuse.read_langfuse),
}
FORMATS = tuple(_FORMATS)
"""Names of what can be imported."""


class RefusedReason(Record):
    """One reason for which something of a file was not taken.

    Attributes:
        count: How many steps, scores, marks or feedback, or entries that could not be told apart
            into them.
        example: The first of them, as its exporter would know it.
    """

    reason: str
    count: int
    example: str


class ImportReceipt(Record):
    """What became of one file.

    Attributes:
        kept: Steps that were taken; those taken before are counted again and not kept twice.
        traces: Traces that they belong to; one whose steps lie far apart may count twice.
        scores: What people, judges and programs said that was taken, once each; `tags`, and `notes`
            and links, on traces; `feedback` on answers.
        waiting: How many of the scores wait for their step, 31 days from when they were given.
        models: Names of the models that answered, with how many steps each.
        tokens_in: Read by models, over the steps that say so; `tokens_out` written.
        refused: What was not taken; `why` says each reason, the most frequent first.
    """

    file: str
    format: str
    kept: int
    traces: int
    scores: int = 0
    waiting: int = 0
    tags: int = 0
    notes: int = 0
    feedback: int = 0
    models: dict[str, int]
    tokens_in: int
    tokens_out: int
    refused: int
    why: tuple[RefusedReason, ...]


class ImportProgress(NamedTuple):
    """How far an import is: share of the file, 0 to 1, and steps kept and refused so far."""

    share: float
    kept: int
    refused: int


def detect_format(path: Path) -> str:
    """Say which product a file was exported from, by what it holds.

    Raises:
        Invalid: It is none that can be told; says what it begins with.
    """
    file = ExportFile(path)
    head = file.head(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(inspect_logs.ARCHIVE):
        return "inspect"
    if head.startswith(parquet.MAGIC):
        with file.unpacked() as unpacked:
            columns = parquet.columns_of(unpacked)
        found = next((name for name in ("phoenix", "mlflow") if _has(name, columns)), None)
        said = f"it is Parquet with the columns {', '.join(columns[:8])}"
    elif head[:1] in (b"{", b"["):
        found, said = _by_entries(file)
    else:
        found = _of_csv(head)
        said = "it is empty" if not head else f"it begins with {head[:40]!r}"
    if found is None:
        raise Invalid(
            "unknown_export",
            f"`{path.name}` is no export that is known: {said}",
            hint=f"Name the format if you know it: --format {'|'.join(FORMATS)}.",
        )
    return found


def import_file(
    scope: Scope,
    path: Path,
    *,
    format: str | None = None,  # noqa: A002 # the word everybody uses for it
    use_case: str | None = None,
    use_cases: Collection[str] = (),
    progress: Callable[[ImportProgress], object] | None = None,
) -> ImportReceipt:
    """Keep the steps of an exported file; whatever cannot be taken is counted and named.

    A step keeps the ids it was exported with, or gets ones that follow from them, so that the same
    file may be imported again: what is there already stays as it is. Scores and tags are kept as
    if they had been given here, once their steps are; a score needs the right `feedback`.

    Args:
        format: One of `FORMATS`; nothing means that the file's content tells.
        use_case: Takes every step; without it a step goes to the one of `use_cases` that it, or
            its service, names, else it stays unclaimed.
        progress: Called after every batch.

    Raises:
        Denied: The actor lacks the right `ingest`, for this use case or for all.
        Invalid: The format is unknown, or the file is a table that cannot be read.
        Unavailable: The inbox stayed full, or the lake away, for two minutes. What was kept stays;
            import it again.
    """
    scope.require("ingest", use_case=use_case)
    name = format or detect_format(path)
    if name not in _FORMATS:
        raise Invalid("unknown_format", f"There is no format `{name[:40]}`", hint=_there_are())
    file = ExportFile(path)
    taken = _Import(scope, use_case, use_cases)
    for raw in _FORMATS[name].read(file):
        if taken.take(raw) and progress is not None:
            progress(ImportProgress(file.share, taken.kept, taken.refused))
    taken.write()
    if progress is not None:
        progress(ImportProgress(1.0, taken.kept, taken.refused))
    return taken.receipt(path.name, name)


class _Import:
    """Spans on their way into the inbox, a batch at a time, and what became of them."""

    def __init__(self, scope: Scope, use_case: str | None, use_cases: Collection[str]) -> None:
        self._scope = scope
        self._use_case = use_case
        self._use_cases = use_cases
        self._batch: list[Span] = []
        self._batch_bytes = 0
        self._last_trace = ""
        self._traces = 0
        self._models: Counter[str] = Counter()
        self._tokens_in = self._tokens_out = 0
        self._reasons: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._said = Opinions(scope, keep=self._patiently, refuse=self._refuse)
        self._scores_in_events = 0
        self.kept = 0

    @property
    def refused(self) -> int:
        return self._reasons.total()

    def take(self, found: RawSpan | Span | Refusal | Said) -> bool:
        """Add one to what waits, and say whether that filled it, so that it was written."""
        if isinstance(found, Refusal):
            self._refuse(found)
            return False
        if isinstance(found, RawSpan):
            return self._take_raw(found)
        if isinstance(found, Span):
            return self._take_span(found)
        is_full = self._said.add(found)
        if is_full:
            self.write()
        return is_full

    def _take_raw(self, raw: RawSpan) -> bool:
        try:
            claimed = self._claimed(raw)
            span = restored(raw, use_case=claimed)
        except Exception as error:  # noqa: BLE001 # one span must not cost the file all the others
            label = f"`{raw.name[:80]}` ({raw.span_id})"
            self._refuse(Refusal(f"it could not be mapped ({type(error).__name__})", label))
            return False
        return self._take_span(span)

    def _take_span(self, span: Span) -> bool:
        if self._use_case is not None:
            span = span.model_copy(update={"use_case": self._use_case})
        self._batch.append(span)
        self._batch_bytes += len(orjson.dumps(span.raw, default=str))
        if len(self._batch) < _BATCH_SPANS and self._batch_bytes < _BATCH_BYTES:
            return False
        self._write_spans()
        return True

    def write(self) -> None:
        """Keep all that waits, durably: steps first, then what was said of them."""
        self._write_spans()
        if self._said.is_any:
            # Of what waits for the lake, only the newest is found.
            if self._said.needs_traces:
                self._move_all()
            self._said.write()

    def _move_all(self) -> None:
        began = time.monotonic()
        while True:
            try:
                self._scope.store.flusher.flush()
                return
            except Unavailable:
                if time.monotonic() - began > _FULL_SECONDS_MAX:
                    raise
                time.sleep(_FULL_PAUSE_SECONDS)

    def _write_spans(self) -> None:
        if not self._batch:
            return
        self._patiently(lambda: record_spans(self._scope, self._batch))
        for span in self._batch:
            self._count(span)
        self._batch, self._batch_bytes = [], 0

    def _patiently(self, put: "Callable[[], Future[None]]") -> None:
        """Put something into the inbox, and wait while that is full."""
        began = time.monotonic()
        while True:
            try:
                put().result()
                return
            except Unavailable as error:
                is_full = error.code == "inbox_full"
                if not is_full or time.monotonic() - began > _FULL_SECONDS_MAX:
                    raise
                self._make_room()

    def _make_room(self) -> None:
        """Move what waits, as no server may be there to do it."""
        try:
            self._scope.store.flusher.flush()
        except Unavailable:
            time.sleep(_FULL_PAUSE_SECONDS)

    def receipt(self, file: str, format_name: str) -> ImportReceipt:
        told = self._reasons.most_common(_REASONS_MAX)
        why = [
            RefusedReason(reason=reason, count=count, example=self._examples[reason])
            for reason, count in told
        ]
        if rest := self.refused - sum(count for _, count in told):
            why.append(RefusedReason(reason="other reasons", count=rest, example=""))
        return ImportReceipt(
            file=file,
            format=format_name,
            kept=self.kept,
            traces=self._traces,
            scores=self._said.scores + self._scores_in_events,
            waiting=self._said.waiting,
            tags=self._said.marks["tag"],
            notes=self._said.marks["note"] + self._said.marks["link"],
            feedback=self._said.feedback,
            models=dict(self._models.most_common()),
            tokens_in=self._tokens_in,
            tokens_out=self._tokens_out,
            refused=self.refused,
            why=tuple(why),
        )

    def _count(self, span: Span) -> None:
        self.kept += 1
        self._scores_in_events += count_scores(span.raw)
        if span.trace_id != self._last_trace:
            self._last_trace = span.trace_id
            self._traces += 1
        if span.kind in ("model", "embedding", "reranker"):
            self._models[span.model or "unknown"] += 1
            self._tokens_in += span.tokens_in or 0
            self._tokens_out += span.tokens_out or 0

    def _refuse(self, refusal: Refusal) -> None:
        # A reason that carries a value of its own each time must not fill the memory.
        reason = refusal.reason
        if reason not in self._reasons and len(self._reasons) >= 10 * _REASONS_MAX:
            reason = "other reasons"
        self._reasons[reason] += 1
        self._examples.setdefault(reason, refusal.span)

    def _claimed(self, raw: RawSpan) -> str | None:
        names = (
            raw.attributes.get("lineside.usecase"),
            raw.resource.get("lineside.usecase"),
            raw.resource.get("service.name"),
        )
        return next((str(name) for name in names if name and name in self._use_cases), None)


def _of_csv(head: bytes) -> str | None:
    if b"context.span_id" in head or b"annotator_kind" in head:
        return "phoenix"
    columns = head.partition(b"\n")[0].decode("utf-8", "replace").strip().split(",")
    return "mlflow" if _has("mlflow", columns) else None


def _by_entries(file: ExportFile) -> tuple[str | None, str]:
    """The format of the first entry that has one; the keys of the first entry otherwise."""
    said = "it holds no JSON object"
    for number, entry in enumerate(file.entries()):
        if number >= _ENTRIES_LOOKED_AT:
            break
        if not isinstance(entry, Entry):
            continue
        for name, known in _FORMATS.items():
            if known.recognises(entry.value):
                return name, ""
        if said.startswith("it holds no"):
            said = f"its entries have the keys {', '.join(list(entry.value)[:8])}"
    return None, said


def _has(name: str, columns: list[str]) -> bool:
    return _FORMATS[name].recognises(dict.fromkeys(columns))


def _there_are() -> str:
    return f"There are: {', '.join(FORMATS)}."
