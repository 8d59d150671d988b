"""What was said of imported traces, on its way to where people's and programs' own is kept."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from lineside.core import Denied, Unavailable, new_id, now
from lineside.traces import marks, privacy
from lineside.traces.feedback import Feedback, bring_feedback
from lineside.traces.importers.said import Said, Tagged
from lineside.traces.marks import TraceMark
from lineside.traces.otlp import Refusal
from lineside.traces.scores.record import TraceScore, is_of_step_alone
from lineside.traces.scores.recording import SCORES_MAX, record_scores, traces_of_steps
from lineside.traces.scores.steps import WAIT
from lineside.trust import Scope

WAITING_MAX = 10_000
"""How much of it is kept at once: each time, the lake is asked for their traces."""

Keep = Callable[[Callable[[], "Future[None]"]], None]


class Opinions:
    """What was said of imported traces, some thousands at a time.

    Attributes:
        scores: How many were taken; those taken before are counted again and not kept twice.
        waiting: How many of these are of steps that are not here.
        marks: How many of each kind were put on traces, or are on them already.
        feedback: How much of it was kept, or is kept already.
    """

    def __init__(self, scope: Scope, *, keep: Keep, refuse: Callable[[Refusal], object]) -> None:
        self._scope = scope
        self._keep = keep
        self._refuse = refuse
        self._scores: list[TraceScore] = []
        self._tags: set[Tagged] = set()
        self._marks: list[TraceMark] = []
        self._feedback: list[Feedback] = []
        self.scores = self.waiting = self.feedback = 0
        self.marks: Counter[str] = Counter()

    def add(self, said: Said) -> bool:
        """Take one, and say whether it is time to write."""
        match said:
            case Tagged():
                self._tags.add(said)
            case TraceMark():
                self._marks.append(said.model_copy(update={"made_by": self._by(said.made_by)}))
            case Feedback():
                self._feedback.append(said.model_copy(update={"given_by": self._by(said.given_by)}))
            case TraceScore():
                self._scores.append(said.model_copy(update={"by": self._by(said.by)}))
        of_traces = len(self._tags) + len(self._marks) + len(self._feedback)
        return len(self._scores) + of_traces >= WAITING_MAX

    def _by(self, name: Any) -> Any:
        """Who said it, elsewhere: an alias where a rule of masking finds something in the name."""
        scope = self._scope
        return privacy.masked_words(scope.store, scope.workspace, user_id=name)["user_id"]

    @property
    def is_any(self) -> bool:
        return self.needs_traces or bool(self._scores)

    @property
    def needs_traces(self) -> bool:
        """Whether some of it can only be kept where its trace is found."""
        is_of_traces = bool(self._tags or self._marks or self._feedback)
        return is_of_traces or any(one.span_id and not one.trace_id for one in self._scores)

    def write(self) -> None:
        """Keep what has come; the steps that it is about are kept already, where they are here."""
        self._write_marks([*map(self._tag, sorted(self._tags)), *self._marks])
        if self._feedback:
            lost = bring_feedback(self._scope, self._feedback)
            self.feedback += len(self._feedback) - len(lost)
            for one, why in lost:
                self._refuse(Refusal(why, f"feedback of {one.given_by[:80]} ({one.trace_id})"))
        found, waiting = self._with_traces()
        for scores in (found, waiting):
            for start in range(0, len(scores), SCORES_MAX):
                self._write_scores(scores[start : start + SCORES_MAX])
        self._scores, self._tags, self._marks, self._feedback = [], set(), [], []

    def _tag(self, said: Tagged) -> TraceMark:
        return TraceMark(
            id=new_id("mark"),
            trace_id=said.trace_id,
            use_case=None,
            kind="tag",
            text=said.tag,
            made_by=self._scope.actor.name,
            made_at=now(),
        )

    def _write_marks(self, found: list[TraceMark]) -> None:
        if not found:
            return
        self.marks.update(one.kind for one in found)
        for one, why in marks.bring_marks(self._scope, found):
            self.marks[one.kind] -= 1
            self._refuse(Refusal(why, f"{one.kind} `{one.text[:80]}` ({one.trace_id})"))

    def _write_scores(self, scores: list[TraceScore]) -> None:
        try:
            self._keep(lambda: record_scores(self._scope, scores))
        except Denied as error:
            self._refuse_all(scores, error.message)
        except Unavailable as error:
            if error.code != "too_many_waiting":
                raise
            self._refuse_all(scores, "too many wait for steps that are not here; import the spans")
        else:
            self.scores += len(scores)
            self.waiting += sum(map(is_of_step_alone, scores))

    def _with_traces(self) -> tuple[list[TraceScore], list[TraceScore]]:
        """Scores with their trace, which one that names a step alone has from the step; and those
        that wait for their step, as all do that were given of late."""
        steps = {one.span_id for one in self._scores if is_of_step_alone(one)}
        known = traces_of_steps(self._scope, {one for one in steps if one}) if steps else {}
        found: list[TraceScore] = []
        waiting: list[TraceScore] = []
        lost: list[TraceScore] = []
        since = now() - WAIT
        for one in self._scores:
            trace_id = one.trace_id or known.get(one.span_id or "")
            if trace_id is not None or one.span_id is None:
                found.append(one.model_copy(update={"trace_id": trace_id}))
            else:
                (waiting if one.at > since else lost).append(one)
        self._refuse_all(
            lost,
            f"the step it is of is not here, and it was given more than {WAIT.days} days ago; "
            "import the spans first",
        )
        return found, waiting

    def _refuse_all(self, scores: Iterable[TraceScore], why: str) -> None:
        for one in scores:
            self._refuse(Refusal(why, f"score `{one.name[:80]}` ({one.span_id or one.trace_id})"))
