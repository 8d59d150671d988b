"""Makes cases of what really happened: of traces, each once."""

from collections.abc import Sequence
from dataclasses import replace

import orjson

from lineside.core import Conflict, Invalid, NotFound, Record
from lineside.evals.dataset import (
    Case,
    Dataset,
    DatasetVersion,
    dataset_from,
    dataset_of,
    keep_dataset,
    load_dataset,
)
from lineside.evals.datasets.duplicates import asked_words
from lineside.evals.datasets.kept import check_name, newest_dataset
from lineside.traces import get_trace, list_feedback, privacy, search, views
from lineside.trust import Scope
from lineside.usecases import get_use_case

FROM_TRACES = "from-traces"
TRACES_MAX = 1_000

_TRIES = 5


class TracesAdded(Record):
    """What became of the traces that cases were to be made of.

    Attributes:
        version: The version that holds them; none where no version was there and nothing was added.
        added: Ids of the new cases.
        known: Id of a trace to the case that asks the same, or was made of it before.
        left_out: Id of a trace to why no case can be made of it.
    """

    version: DatasetVersion | None
    added: list[str]
    known: dict[str, str]
    left_out: dict[str, str]


def add_traces(
    scope: Scope,
    trace_ids: Sequence[str],
    *,
    use_case: str | None = None,
    name: str = FROM_TRACES,
) -> TracesAdded:
    """Make a case of each trace, and keep them with the cases of a dataset as its next version.

    What people corrected is what is expected; see `lineside.traces.views.as_case`. A trace whose
    input is in the dataset already, but for capitals and blanks, is not added again. The rules of
    what is masked hold as they stand now, also those that were made after the trace arrived.

    Args:
        use_case: Whose dataset; without it that of the first trace.
        name: Of the dataset; it is begun where it is not there.

    Raises:
        Invalid: No trace or more than 1,000 were given, or the first one has no use case.
        NotFound: There is no such use case.
        Denied: The actor may not test the use case.
    """
    trace_ids = list(dict.fromkeys(trace_ids))
    if not 1 <= len(trace_ids) <= TRACES_MAX:
        raise Invalid(
            "bad_traces", f"{len(trace_ids):,} traces were given, expected 1 to {TRACES_MAX:,}"
        )
    check_name(name)
    whose = use_case or _use_case_of(scope, trace_ids[0])
    scope.require("test", whose)
    get_use_case(scope, whose)
    made: list[Case] = []
    left_out: dict[str, str] = {}
    for trace_id in trace_ids:
        try:
            made.append(_case_of(scope, trace_id))
        except (Invalid, NotFound) as error:
            left_out[trace_id] = error.message
    for _ in range(_TRIES):
        newest = newest_dataset(scope, use_case=whose, name=name)
        kept = load_dataset(scope, newest.digest, name=name) if newest else dataset_of(name, ())
        added, known = _new_ones(kept, made)
        version = newest
        if added:
            whole = dataset_from(name, kept.content + dataset_of(name, added).content)
            try:
                version = keep_dataset(scope, whose, whole, after=newest.version if newest else 0)
            except Conflict:
                continue
        return TracesAdded(
            version=version, added=[case.id for case in added], known=known, left_out=left_out
        )
    raise Conflict(
        "dataset_busy",
        f"Dataset `{name}` of `{whose}` is being changed by others right now",
        hint="Try again.",
    )


def _use_case_of(scope: Scope, trace_id: str) -> str:
    spans = get_trace(scope, trace_id, whole=False)
    if not spans:
        raise NotFound("unknown_trace", f"No trace has the id `{trace_id[:64]}`")
    if spans[0].use_case is None:
        raise Invalid(
            "unclaimed_trace",
            f"Trace `{trace_id[:16]}` belongs to no use case",
            hint="Name the use case whose dataset it is for.",
        )
    return spans[0].use_case


def _case_of(scope: Scope, trace_id: str) -> Case:
    steps = search.tree_of(get_trace(scope, trace_id))
    if not steps:
        raise NotFound("unknown_trace", f"No trace has the id `{trace_id[:64]}`")
    said = list_feedback(scope, use_case=steps[0].span.use_case, trace_id=trace_id)
    case = Case(**orjson.loads(views.as_case(steps[0].span, said)))
    words = privacy.masked_words(
        scope.store,
        scope.workspace,
        input=case.input,
        expected=case.expected,
        session_id=steps[0].span.session_id,
    )
    cluster = words.pop("session_id")
    return replace(case, **words, cluster=cluster)


def _new_ones(kept: Dataset, made: Sequence[Case]) -> tuple[list[Case], dict[str, str]]:
    of_words: dict[str, str] = {}
    of_source: dict[str, str] = {}
    ids = set()
    for case in kept:
        of_words.setdefault(asked_words(case.input), case.id)
        of_source.setdefault(case.source or "", case.id)
        ids.add(case.id)
    added, known = [], {}
    for case in made:
        source, words = case.source or "", asked_words(case.input)
        if same := of_source.get(source) or of_words.get(words):
            known[source] = same
            continue
        # Ids are made of the first digits of a trace's id: two may begin alike.
        new = replace(case, id=f"trace-{source}") if case.id in ids else case
        of_words[words] = of_source[source] = new.id
        ids.add(new.id)
        added.append(new)
    return added, known
