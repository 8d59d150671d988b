"""Taking traces along: their steps as lines of a file, and what was said of them after them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import orjson

from lineside.traces.feedback import feedback_on
from lineside.traces.marks import marks_of
from lineside.traces.otlp_lines import otlp_lines, otlp_said
from lineside.traces.scores.arriving import event_scores
from lineside.traces.scores.listing import scores_of
from lineside.traces.span import Span
from lineside.trust import Scope

ExportForm = Literal["lineside", "otlp"]
"""What lines are in: lineside's own records, or what collectors and other products read."""

_TRACES_AT_ONCE = 200


class Export:
    """Traces on their way into a file, and how much of them has been written.

    Attributes:
        feedback: How often people said what they think of an answer; `marks` counts their tags,
            notes and links.
    """

    def __init__(self, scope: Scope, *, form: ExportForm) -> None:
        self._scope = scope
        self._form = form
        self._waiting: dict[str, None] = {}
        self._sessions: set[str] = set()
        self._told_sessions: set[str] = set()
        self._in_events: set[tuple[object, ...]] = set()
        self.traces = self.steps = self.scores = self.marks = self.feedback = 0

    def lines(self, parts: Iterable[Sequence[Span]]) -> Iterator[bytes]:
        """Lines of these steps, those of a trace together, each trace before what is said of it.

        In lineside's own form, each step and each thing said is a line. An import reads either.

        Args:
            parts: Steps of one trace each, of which a long one may have several in a row.

        Raises:
            Denied: The right `read` is missing on a trace.
        """
        for spans in parts:
            if not spans:
                continue
            if spans[0].trace_id not in self._waiting:
                if len(self._waiting) >= _TRACES_AT_ONCE:
                    yield from self._said()
                self._waiting[spans[0].trace_id] = None
                self.traces += 1
            self.steps += len(spans)
            self._sessions.update(span.session_id for span in spans if span.session_id)
            self._in_events.update(event_scores(spans))
            if self._form == "otlp":
                yield from otlp_lines(spans)
            else:
                yield from (f"{span.model_dump_json()}\n".encode() for span in spans)
        if self._waiting:
            yield from self._said()

    def _said(self) -> Iterator[bytes]:
        """What was said of the traces written last; of a session, once for all its traces."""
        trace_ids = list(self._waiting)
        fresh = self._sessions - self._told_sessions
        found = scores_of(self._scope, trace_ids, session_ids=sorted(fresh))
        # Those that came as events of a step go with it.
        scores = [one for one in found if one.identity not in self._in_events]
        marks = marks_of(self._scope, trace_ids)
        feedback = feedback_on(self._scope, trace_ids)
        self.scores += len(found)
        self.marks += len(marks)
        self.feedback += len(feedback)
        self._told_sessions |= fresh
        self._waiting, self._sessions, self._in_events = {}, set(), set()
        if self._form == "otlp":
            yield from otlp_said(scores, [*marks, *feedback])
            return
        for name, records in (("score", scores), ("mark", marks), ("feedback", feedback)):
            for record in records:
                yield orjson.dumps({name: record.model_dump(mode="json")}) + b"\n"
