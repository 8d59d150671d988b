"""Looks at the calls of every release on its way, and does what the verdict says."""

import logging
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

from lineside.apps import queries
from lineside.apps.rollout import DECIDED_MEANWHILE
from lineside.apps.staged.comparing import settle
from lineside.apps.staged.effects import users_of, weigh_arms
from lineside.apps.staged.experiment import Experiment
from lineside.apps.staged.looks import is_due, look, look_at_all, verdict
from lineside.apps.staged.record import Seen, StagedRollout
from lineside.apps.staged.rules import latency_limits
from lineside.apps.staged.steps import carry_out, load_staged
from lineside.core import SYSTEM, Conflict, LinesideError, now
from lineside.stats import unpaired
from lineside.traces import arms
from lineside.trust import Scope

_TROUBLE_CHARACTERS_MAX = 300
_STOP_SECONDS_MAX = 10.0


class Watcher:
    """Watches in a thread of its own. One per process.

    What it knows is in the records, so that a server that is killed leaves nothing undone: the next
    one, or another that runs beside it, goes on. Of several servers one takes each round, and where
    two should decide at once all the same, one of them does.
    """

    def __init__(self, scope: Scope, *, every_seconds: float) -> None:
        rights = frozenset({"read", "deploy"})
        self._scope = replace(scope, actor=SYSTEM, rights=rights)
        self._every_seconds = every_seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="lineside-rollouts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a decision that is being written is written first."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS_MAX)

    def watch(self) -> list[StagedRollout]:
        """Make one round, and give what is on its way that fell to this server.

        Raises:
            Unavailable: The records do not answer.
        """
        mine = []
        for staged in load_staged(self._scope, is_open=True):
            at = now()
            before = at - timedelta(seconds=self._every_seconds * 0.9)
            with self._scope.store.records.write() as connection:
                if not queries.claim_watch(connection, staged.id, before=before, at=at):
                    continue
                # Read anew: others may have looked, or decided, while this server was busy.
                claimed = StagedRollout.model_validate(queries.staged_row(connection, staged.id))
            if claimed.is_open:
                mine.append(self._looked_at(claimed))
        return mine

    def _run(self) -> None:
        while not self._stop.wait(self._every_seconds):
            try:
                self.watch()
            except Exception:
                # The records may be away; what goes up waits until they are back.
                logging.getLogger(__name__).warning("Rollouts were not watched", exc_info=True)

    def _looked_at(self, staged: StagedRollout) -> StagedRollout:
        try:
            seen = self._looking(staged)
        except Exception as error:
            logging.getLogger(__name__).warning("Calls were not read", exc_info=True)
            seen = _troubled(staged, error)
        kept = self._kept(staged, seen)
        if kept is None:
            return staged
        due = verdict(kept, at=now())
        if due.decision == "hold":
            return kept
        do = settle if due.decision == "settle" else carry_out
        try:
            return do(self._scope, kept, due)
        except Exception as error:
            if isinstance(error, Conflict) and error.code == DECIDED_MEANWHILE:
                return kept
            # Such as a ledger that cannot be signed here; another server may be able to.
            logging.getLogger(__name__).warning("A rollout was not decided", exc_info=True)
            return self._kept(kept, _troubled(kept, error)) or kept

    def _looking(self, staged: StagedRollout) -> StagedRollout:
        if staged.experiment is not None:
            return self._comparing(staged, staged.experiment)
        ids = [staged.release_id, staged.from_release_id]
        asked: dict[str, Any] = {
            "served_by": ids[:1] if staged.is_at_everybody else ids,
            "since": staged.step_began_at,
            "audience_only": staged.plan.audience is not None,
        }
        figures = {
            one.release: one for one in arms.arm_figures(self._scope, staged.use_case, **asked)
        }
        seen = Seen(canary=figures.get(ids[0]), live=figures.get(ids[1]))
        sums: dict[str, dict[str, unpaired.ClusterSums]] = {one: {} for one in ids}
        # Between looks that count nothing is decided, so that only the figures are read.
        if seen.canary and is_due(staged, seen.canary.calls):
            sums |= self._sums(staged, asked)
        looks, findings = look(staged, *(sums[one] for one in ids), at=now())
        changed = {"looks": looks, "findings": findings, "seen": seen, "trouble": None}
        return staged.model_copy(update=changed)

    def _comparing(self, staged: StagedRollout, experiment: Experiment) -> StagedRollout:
        """Look at an experiment: its limits and margins at their pace, its metric at its own."""
        names = [arm.name for arm in experiment.arms]
        asked: dict[str, Any] = {
            "served_by": names,
            "since": staged.step_began_at,
            "by_name": True,
        }
        served = {arm.name: arm.release_id for arm in experiment.arms}
        figures = {
            str(one.arm): one
            for one in arms.arm_figures(self._scope, staged.use_case, **asked)
            if served[str(one.arm)] == one.release
        }
        seen = Seen(named=tuple(figures[name] for name in names if name in figures))
        changed: dict[str, Any] = {"seen": seen, "trouble": None}
        calls = min(figures[name].calls if name in figures else 0 for name in names[1:])
        due_users, is_over = experiment.next_look_users, now() >= staged.held_until
        is_asked = not experiment.is_final and (
            is_over or sum(one.callers for one in figures.values()) >= due_users
        )
        if is_asked or is_due(staged, calls):
            feedback = experiment.metric == "feedback"
            found = self._sums(staged, asked | {"with_feedback": feedback})
            sums = {name: found.get(name, {}) for name in names}
            others = {name: sums[name] for name in names[1:]}
            if calls:
                changed |= zip(
                    ("looks", "findings"),
                    look_at_all(staged, others, sums[names[0]], at=now()),
                    strict=True,
                )
            if is_asked and (is_over or users_of(experiment, sums) >= due_users):
                weighed = weigh_arms(experiment, sums, at=now(), is_over=is_over)
                changed["experiment"] = weighed
        return staged.model_copy(update=changed)

    def _sums(
        self, staged: StagedRollout, asked: dict[str, Any]
    ) -> dict[str, dict[str, unpaired.ClusterSums]]:
        """Every measure of each arm, by the arm's name or else its release."""
        sums: dict[str, dict[str, unpaired.ClusterSums]] = {}
        over_ms = latency_limits(staged.plan)
        for row in arms.arm_sums(self._scope, staged.use_case, over_ms=over_ms, **asked):
            values = row.model_dump(exclude={"release", "arm", "measure"})
            if row.count and row.units:
                of = sums.setdefault(row.arm or row.release, {})
                of[row.measure] = unpaired.ClusterSums(**values)
        return sums

    def _kept(self, before: StagedRollout, seen: StagedRollout) -> StagedRollout | None:
        """Keep what was seen; nothing where somebody decided or looked since, whose looks count.

        Calls may take longer to read than until another server has its turn. Its look has spent
        some of what false alarms may take, and must not be written over.
        """
        names = {"looks", "findings", "seen", "trouble", "experiment"}
        values = seen.model_dump(mode="json", include=names)
        with self._scope.store.records.write() as connection:
            present = StagedRollout.model_validate(queries.staged_row(connection, before.id))
            if _turn(present) != _turn(before):
                return None
            if values != before.model_dump(mode="json", include=names):
                queries.change_staged(connection, before.id, before.revision, values, decides=False)
        return seen


def _turn(staged: StagedRollout) -> tuple[int, str]:
    """What tells whether somebody decided, or made a look that counts."""
    return staged.revision, staged.model_dump_json(include={"looks", "experiment"})


def _troubled(staged: StagedRollout, error: Exception) -> StagedRollout:
    """Whatever keeps it from being watched: nothing goes up, and the page says why."""
    said = error.message if isinstance(error, LinesideError) else repr(error)
    return staged.model_copy(update={"trouble": said[:_TROUBLE_CHARACTERS_MAX]})
