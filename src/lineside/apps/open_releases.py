"""Keeps what is live at hand: the rollouts of use cases, and the apps of their releases open."""

import asyncio
import time

from lineside.apps.app import SERVABLE_KINDS, App, open_app
from lineside.apps.candidate import get_candidate
from lineside.apps.release import load_release
from lineside.apps.rollout import load_rollouts
from lineside.apps.turning import Live, load_live
from lineside.core import Denied, NotFound, did_you_mean
from lineside.store import Store
from lineside.trust import Scope
from lineside.usecases import list_use_cases

FRESH_SECONDS = 0.25
_OPEN_APPS_MAX = 32


class OpenReleases:
    """The releases that answer now. One per process.

    A deploy or rollback made anywhere, by page, terminal or another process, counts here within a
    quarter of a second.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._apps: dict[str, asyncio.Future[App]] = {}
        self._lives: dict[tuple[str, str], tuple[float, Live]] = {}

    async def live(self, scope: Scope, use_case: str) -> Live:
        """What is live of a use case.

        Raises:
            NotFound: No such use case, or nothing of it is live.
        """
        key = (scope.workspace, use_case)
        kept = self._lives.get(key)
        if kept is not None and time.monotonic() - kept[0] < FRESH_SECONDS:
            return kept[1]
        found = await asyncio.to_thread(load_live, scope, use_case)
        if found is None:
            raise await asyncio.to_thread(nothing_live, scope, use_case)
        self._lives[key] = (time.monotonic(), found)
        return found

    def look_again(self, scope: Scope, use_case: str) -> None:
        """Have the next look see what was changed a moment ago."""
        self._lives.pop((scope.workspace, use_case), None)

    async def app(self, scope: Scope, release_id: str) -> App:
        """The app of a release, opened once."""
        opened = self._apps.get(release_id)
        if opened is None:
            opened = asyncio.ensure_future(asyncio.to_thread(self._open, scope, release_id))
            self._apps[release_id] = opened
            await self._close_oldest()
        try:
            return await asyncio.shield(opened)
        except Exception:
            self._apps.pop(release_id, None)
            raise

    async def warm(self, scope: Scope) -> bool:
        """Open what is live, so that the first caller need not wait; say whether anything is."""
        for use_case in await asyncio.to_thread(list_use_cases, scope):
            for rollout in await asyncio.to_thread(load_rollouts, scope, use_case.name, limit=1):
                for arm in rollout.arms:
                    await self.app(scope, arm.release_id)
        return bool(self._apps)

    async def close(self) -> None:
        """Close every open app."""
        apps, self._apps = self._apps, {}
        for opened in apps.values():
            await (await opened).close()

    def _open(self, scope: Scope, release_id: str) -> App:
        release = load_release(scope, release_id)
        if release.kind not in SERVABLE_KINDS:
            raise Denied("kind_cannot_serve", f"Apps of kind `{release.kind}` cannot be served yet")
        return open_app(self._store, get_candidate(self._store, scope.workspace, release.digest))

    async def _close_oldest(self) -> None:
        if len(self._apps) > _OPEN_APPS_MAX:
            oldest = next(iter(self._apps))
            app = await self._apps.pop(oldest)
            await app.close()


def nothing_live(scope: Scope, use_case: str) -> NotFound:
    """Say that nothing of a use case is live, or that there is no such use case."""
    may_read = "read" in scope.rights and scope.use_cases is None
    names = [known.name for known in list_use_cases(scope)] if may_read else []
    if use_case in names:
        return NotFound(
            "nothing_live",
            f"Nothing of `{use_case}` is live",
            hint=f"Deploy a release first: `lineside deploy {use_case}`.",
        )
    near = did_you_mean(use_case, names)
    return NotFound(
        "unknown_use_case",
        f"There is no use case `{use_case[:80]}`",
        hint=f"Did you mean `{near}`?" if near else f"Known: {', '.join(names[:10]) or 'none'}.",
    )
