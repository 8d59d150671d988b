"""Scores and tags of an import, on their way to where people's and programs' own are kept."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future

from lineside.core import Denied
from lineside.traces import marks
from lineside.traces.importers.said import Tagged
from lineside.traces.otlp import Refusal
from lineside.traces.scores.record import TraceScore
from lineside.traces.scores.recording import SCORES_MAX, record_scores, traces_of_steps
from lineside.trust import Scope

WAITING_MAX = 10_000
"""Scores and tags that are kept at once: each time, the lake is asked for their traces."""

Keep = Callable[[Callable[[], "Future[None]"]], None]


class Opinions:
    """What was said of imported traces, some thousands at a time.

    Attributes:
        scores: How many were taken; those taken before are counted again and not kept twice.
        tags: How many tags were put on traces, or are on them already.
    """

    def __init__(self, scope: Scope, *, keep: Keep, refuse: Callable[[Refusal], object]) -> None:
        self._scope = scope
        self._keep = keep
        self._refuse = refuse
        self._scores: list[TraceScore] = []
        self._tags: set[tuple[str, str]] = set()
        self.scores = self.tags = 0

    def add(self, said: TraceScore | Tagged) -> bool:
        """Take one, and say whether it is time to write."""
        if isinstance(said, Tagged):
            self._tags.add((said.trace_id, said.tag))
        else:
            self._scores.append(said)
        return len(self._scores) + len(self._tags) >= WAITING_MAX

    @property
    def is_any(self) -> bool:
        return bool(self._scores or self._tags)

    @property
    def needs_traces(self) -> bool:
        """Whether some of it can only be kept where its trace is found."""
        return bool(self._tags) or any(one.span_id and not one.trace_id for one in self._scores)

    def write(self) -> None:
        """Keep what has come; the steps that it is about are kept already, where they are here."""
        if self._tags:
            refused = marks.tag_traces(self._scope, self._tags)
            self.tags += len(self._tags) - len(refused)
            for trace_id, tag, why in refused:
                self._refuse(Refusal(why, f"tag `{tag[:80]}` ({trace_id})"))
        scores = self._with_traces()
        for start in range(0, len(scores), SCORES_MAX):
            self._write_scores(scores[start : start + SCORES_MAX])
        self._scores, self._tags = [], set()

    def _write_scores(self, scores: list[TraceScore]) -> None:
        try:
            self._keep(lambda: record_scores(self._scope, scores))
        except Denied as error:
            self._refuse_all(scores, error.message)
        else:
            self.scores += len(scores)

    def _with_traces(self) -> list[TraceScore]:
        """Scores that name a step alone are of the trace that has it."""
        steps = {one.span_id for one in self._scores if not one.trace_id and one.span_id}
        if not steps:
            return self._scores
        known = traces_of_steps(self._scope, {step for step in steps if step})
        found: list[TraceScore] = []
        lost: list[TraceScore] = []
        for one in self._scores:
            trace_id = one.trace_id or known.get(one.span_id or "")
            is_known = trace_id is not None or one.span_id is None
            whole = one.model_copy(update={"trace_id": trace_id})
            (found if is_known else lost).append(whole)
        self._refuse_all(lost, "the step it is of is not here; import the spans first")
        return found

    def _refuse_all(self, scores: Iterable[TraceScore], why: str) -> None:
        for one in scores:
            self._refuse(Refusal(why, f"score `{one.name[:80]}` ({one.span_id or one.trace_id})"))
