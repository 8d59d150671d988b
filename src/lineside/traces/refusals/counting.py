"""Counting what is turned away, so that it can be seen later by people who did not send it."""

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import orjson

from lineside.core import LinesideError, now
from lineside.store import Store, intake
from lineside.traces import clocks
from lineside.traces.otlp import Refusal
from lineside.traces.refusals.queries import REFUSALS
from lineside.trust import Scope

REASONS_MAX = 50
OTHER_REASONS = "other reasons"
_WAIT_SECONDS = 1.0
_KINDS_MAX = 1_000
_REASON_CHARACTERS_MAX = 300
_TAKEN = 200


class _Kind(NamedTuple):
    workspace: str
    use_case: str | None
    sender: str | None
    door: str
    unit: str
    status: int
    code: str


def keep_refusals(
    scope: Scope, refusals: Sequence[Refusal], *, door: str, unit: str, named: Sequence[str]
) -> "Future[None]":
    """Count some of what one message held, by use case and reason.

    The message itself was taken, so that its sender may never look at what is said of these.

    Args:
        door: What the message is of, such as `traces`.
        unit: What there are many of, such as `spans`.
        named: The workspace's use cases, which a key without a limit may mean.

    Returns:
        Done once a killed process can no longer lose the count.
    """
    counts: Counter[tuple[str | None, str]] = Counter()
    for one in refusals:
        use_case = _use_case(scope) or (one.use_case if _may_mean(scope, one, named) else None)
        reason = one.reason[:_REASON_CHARACTERS_MAX]
        known = (use_case, reason) in counts or len(counts) < REASONS_MAX
        counts[use_case, reason if known else OTHER_REASONS] += 1
    sender = _sender(scope)
    kinds = {
        _Kind(scope.workspace, use_case, sender, door, unit, _TAKEN, reason): (count, reason)
        for (use_case, reason), count in counts.items()
    }
    return scope.store.inbox.put_soon(_envelope(scope.workspace, kinds))


class TurnedAway:
    """Counts requests that were turned away whole, whoever sent them.

    They cost no more than a number each: a sender that is set up wrongly, or that means ill, must
    not fill the inbox. The numbers are written down within a second, and when the store is closed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._counts: dict[_Kind, tuple[int, str]] = {}
        self._timer: threading.Timer | None = None
        self._is_closed = False
        store.at_close.append(self.close)

    def count(self, scope: Scope, error: LinesideError, *, door: str, status: int) -> None:
        """Count one request.

        Args:
            scope: Of its sender, or of the owner where the sender is not known.
        """
        of = scope.workspace, _use_case(scope), _sender(scope)
        kind = _Kind(*of, door, "requests", status, error.code)
        with self._lock:
            if kind not in self._counts and len(self._counts) >= _KINDS_MAX:
                kind = _Kind(scope.workspace, None, None, door, "requests", status, error.code)
            before, _ = self._counts.get(kind, (0, ""))
            self._counts[kind] = before + 1, error.message[:_REASON_CHARACTERS_MAX]
            self._begin_to_wait()

    def write(self) -> None:
        """Write down what was counted; where the inbox takes nothing, later."""
        with self._lock:
            self._timer = None
            counts, self._counts = self._counts, {}
        try:
            for workspace in sorted({kind.workspace for kind in counts}):
                own = {kind: one for kind, one in counts.items() if kind.workspace == workspace}
                self._store.inbox.put_soon(_envelope(workspace, own)).result()
                counts = {kind: one for kind, one in counts.items() if kind not in own}
        except Exception:  # noqa: BLE001 # the disk or the database: it may take them later
            with self._lock:
                for kind, (count, reason) in counts.items():
                    before, _ = self._counts.get(kind, (0, ""))
                    self._counts[kind] = before + count, reason
                self._begin_to_wait()

    def close(self) -> None:
        """Write down the rest; what comes after is counted no more."""
        self._is_closed = True
        self.write()

    def _begin_to_wait(self) -> None:
        if self._timer is None and not self._is_closed:
            self._timer = threading.Timer(_WAIT_SECONDS, self.write)
            self._timer.daemon = True
            self._timer.start()


def _may_mean(scope: Scope, refusal: Refusal, named: Sequence[str]) -> bool:
    allowed = named if scope.use_cases is None else scope.use_cases
    return refusal.use_case in allowed


def _use_case(scope: Scope) -> str | None:
    """The use case of a key that can mean no other."""
    return min(scope.use_cases) if scope.use_cases and len(scope.use_cases) == 1 else None


def _sender(scope: Scope) -> str | None:
    return scope.actor.name if scope.actor.kind == "key" else None


def _envelope(workspace: str, kinds: dict[_Kind, tuple[int, str]]) -> intake.Envelope:
    moment = clocks.written(now())
    rows: list[dict[str, Any]] = [
        kind._asdict() | {"reason": reason, "count": count, "refused_at": moment}
        for kind, (count, reason) in kinds.items()
    ]
    return intake.Envelope(workspace, REFUSALS.name, len(rows), orjson.dumps(rows))
