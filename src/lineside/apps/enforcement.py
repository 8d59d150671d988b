"""Whether the guards of what is live act on every path that serves it: probed, again and again."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from lineside.apps.call import Call
from lineside.apps.guards_file import GuardsFile
from lineside.apps.rollout import load_rollouts
from lineside.apps.serving import Serving
from lineside.core import LinesideError, now
from lineside.guardrails import probes
from lineside.trust import Scope, outbox
from lineside.usecases import list_use_cases


class Enforcement:
    """Sends probes and remembers what came of the last round. One per process.

    Without doors, as in a command, serving itself is probed.

    Attributes:
        plain: The file with the guards of plain models, where those are served.
        unguarded: Paths on which no guard stands, because they pass on unread what comes.
    """

    def __init__(
        self,
        scope: Scope,
        serving: Serving,
        *,
        plain: GuardsFile | None = None,
        unguarded: Sequence[probes.UnguardedPath] = (),
    ) -> None:
        self._scope, self._serving = scope, serving
        self.plain = plain
        self.unguarded = list(unguarded)
        self._paths: tuple[probes.ServedPath, ...] = tuple(self._serving_itself())
        self.coverage = probes.Coverage(unguarded=self.unguarded)

    def knock_at(self, paths: Sequence[probes.ServedPath]) -> None:
        """Probe these ways in which answers are served; name every one there is."""
        self._paths = tuple(paths)

    async def fields_of(self, use_case: str) -> list[str]:
        """Names of the input fields of what is live."""
        return await self._serving.input_fields(self._scope, use_case)

    async def probe(self, use_case: str | None = None) -> probes.Coverage:
        """Probe what is live, or one use case of it; only a whole round is remembered."""
        names = [use_case] if use_case else await asyncio.to_thread(live_names, self._scope)
        paths = self._paths
        if use_case:
            paths = tuple(one for one in paths if one.subject is None)
        reading = [name for name in names if await self._reads_sources(name)]
        coverage = await probes.probe_paths(paths, names, reading=reading)
        coverage = coverage.model_copy(update={"unguarded": self.unguarded})
        if use_case is None:
            before, self.coverage = self.coverage, coverage
            if coverage.status == "not enforced" != before.status:
                await asyncio.to_thread(_tell_lost, self._scope, coverage)
        return coverage

    async def keep_probing(self, *, every_seconds: float) -> None:
        """Probe until cancelled; what hinders a whole round is tried again with the next."""
        while True:
            # Where the database is away, the last word stands, with its time.
            with suppress(LinesideError):
                await self.probe()
            if self.plain:
                self.plain.look()
            await asyncio.sleep(every_seconds)

    async def _reads_sources(self, use_case: str) -> bool:
        try:
            return await self._serving.reads_sources(self._scope, use_case)
        except LinesideError:
            return False  # its other probes meet the same error, and say it

    def _serving_itself(self) -> list[probes.ServedPath]:
        async def send(use_case: str, text: str) -> str:
            [field, *_] = await self.fields_of(use_case)
            answer = await self._serving.call(self._scope, use_case, Call(input={field: text}))
            return answer.model_dump_json()

        async def send_within(use_case: str, text: str) -> str:
            return await send(use_case, probes.for_passage(text))

        plain = probes.ServedPath(path="in this process", format="lineside", send=send)
        return [plain, plain.model_copy(update=probes.WITHIN_PASSAGES | {"send": send_within})]


def _tell_lost(scope: Scope, coverage: probes.Coverage) -> None:
    """Tell webhooks which paths let a probe pass; of several servers that see it, one tells."""
    open_ones = [one for one in coverage.results if not one.is_held_back]
    paths = sorted({f"{one.use_case} by {one.path}" for one in open_ones})
    said = f"guards do not act on {len(open_ones)} of {len(coverage.results)} probes"
    with scope.store.records.write() as connection:
        outbox.emit(
            connection,
            scope.workspace,
            "guards.lost",
            subject="guards",
            sentence=f"{said}: {', '.join(paths[:5])}",
            link="/guards",
            more={"held_back": coverage.share},
            once=f"guards.lost {now():%Y-%m-%d %H}",
        )


def live_names(scope: Scope) -> list[str]:
    """Names of the use cases of which a release is live."""
    names = [use_case.name for use_case in list_use_cases(scope)]
    return [name for name in names if load_rollouts(scope, name, limit=1)]
