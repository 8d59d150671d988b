"""Where the knobs of users stand: kept at hand for every call, turned, and watched."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any

from lineside.apps.call import Call
from lineside.apps.choosing import choose_arm, live_arm
from lineside.apps.knobs import turn_knobs
from lineside.apps.knobs_now import KnobsNow, knobs_now, offering, takes
from lineside.apps.open_releases import FRESH_SECONDS, OpenReleases
from lineside.apps.rollout import Arm
from lineside.apps.turning import (
    Live,
    Turned,
    keep_turn,
    load_turned,
    refuse_unproved,
    user_digest,
)
from lineside.core import Unavailable
from lineside.trust import Scope, keyed_digests
from lineside.usecases import Knob

_USERS_MAX = 10_000
_WATCH_SECONDS = 600


class KnobBoard:
    """The knobs of what is live, as they stand for each user. One per process."""

    def __init__(self, releases: OpenReleases) -> None:
        self._releases = releases
        self._digests: dict[str, keyed_digests.KeyedDigests] = {}
        self._turned: dict[tuple[str, str, str, str | None], tuple[Live, Turned]] = {}

    async def now(self, scope: Scope, use_case: str, *, user: str | None = None) -> KnobsNow:
        """What the knobs stand at in the release that would answer this user now."""
        scope.require("run", use_case=use_case)
        live = await self._releases.live(scope, use_case)
        chosen = choose_arm(live.rollout, user)
        arm, _ = await self.arm_for(scope, live, chosen, user, {})
        now = await self._now(scope, live, arm, user)
        first = live.rollout.arms[0]
        if arm.release_id == first.release_id:
            return now
        return offering(now, await self._now(scope, live, first, user))

    async def arm_for(
        self, scope: Scope, live: Live, arm: Arm, user: str | None, brought: Mapping[str, Any]
    ) -> tuple[Arm, list[str]]:
        """The arm that answers a caller who fell into one, and the knobs for whose sake it differs.

        Those at a value that not every arm of a rollout has evidence for: then the live release
        answers. Who brings one must not be refused because a rollout began, nor be answered
        otherwise than they set it; and as such callers are left out of every arm alike, none is
        compared by other people than the others.

        Args:
            brought: Settings that come with the call; beside them, those that the user left count.
        """
        left_by = user if live.turns else None
        if len(live.rollout.arms) == 1 or not (brought or left_by):
            return arm, []
        first, *others = live.rollout.arms
        now = await self._now(scope, live, first, left_by)
        wanted = {**now.users, **brought}
        if not all(takes(now, name, value) for name, value in wanted.items()):
            return first, []  # refused there, as without a rollout
        asked = [await self._now(scope, live, one, None) for one in others if wanted]
        kept = [
            name
            for name, value in wanted.items()
            if not all(takes(one, name, value) for one in asked)
        ]
        return (live_arm(live.rollout), kept) if kept else (arm, [])

    async def of_call(
        self, scope: Scope, live: Live, arm: Arm, knobs: Sequence[Knob], call: Call
    ) -> dict[str, Any]:
        """The user's settings that a call is answered at: those it brings, else those they left.

        Raises:
            Invalid: No knob has this name, or the value is outside its range.
            Denied: The knob is not a user's, or there is no evidence that this value is good.
        """
        brought = turn_knobs(knobs, call.knobs, who="user")
        left_by = call.user if live.turns else None
        if not brought and not left_by:
            return {}
        now = await self._now(scope, live, arm, left_by)
        for name, value in brought.items():
            refuse_unproved(now, name, value)
        return now.users | brought

    async def turn(
        self, scope: Scope, use_case: str, name: str, value: Any, *, user: str
    ) -> KnobsNow:
        """Leave a user's knob at a value, for every call that names the user; see `keep_turn`."""
        self._releases.look_again(scope, use_case)  # what was proved a moment ago counts
        live = await self._releases.live(scope, use_case)
        before = await self._now(scope, live, live.rollout.arms[0], user)
        await asyncio.to_thread(keep_turn, scope, before, name, value)
        self._releases.look_again(scope, use_case)
        return await self.now(scope, use_case, user=user)

    async def changes(
        self, scope: Scope, use_case: str, *, digest: str | None, since: str | None
    ) -> AsyncIterator[str | None]:
        """Yield the new marker whenever a user's knobs change, and nothing four times a second.

        Ends after ten minutes, so that a key that was revoked does not watch for ever.

        Args:
            digest: `KnobsNow.user_digest`, so that no name of a user stands in an address.
            since: The marker that the watcher knows; a change it missed is told at once.
        """
        scope.require("run", use_case=use_case)
        known: Live | None = None
        ends_at = time.monotonic() + _WATCH_SECONDS
        while time.monotonic() < ends_at:
            # A watcher outlives a database that is away for a moment; the first look says so.
            with suppress(Unavailable) if known else nullcontext():
                live = await self._releases.live(scope, use_case)
                if live != known:
                    turned = await self._turned_by(scope, live, live.rollout.live, digest)
                    known, marker = live, _marker(live, turned)
                    if since is not None and marker != since:
                        yield marker
                    since = marker
            yield None
            await asyncio.sleep(FRESH_SECONDS)

    async def _now(self, scope: Scope, live: Live, arm: Arm, user: str | None) -> KnobsNow:
        app = await self._releases.app(scope, arm.release_id)
        digest = await self._digest(scope, live.rollout.use_case, user) if user else None
        turned = await self._turned_by(scope, live, arm, digest)
        return knobs_now(
            live.rollout,
            arm,
            app.folder.manifest.knobs,
            turned=turned.values,
            proved=turned.proved,
            marker=_marker(live, turned),
            user_digest=digest,
        )

    async def _digest(self, scope: Scope, use_case: str, user: str) -> str:
        known = self._digests.get(scope.workspace)
        if known is None:
            known = await asyncio.to_thread(
                keyed_digests.open_digests, scope.store, scope.workspace
            )
            self._digests[scope.workspace] = known
        return user_digest(known, use_case, user)

    async def _turned_by(self, scope: Scope, live: Live, arm: Arm, digest: str | None) -> Turned:
        """What a user turned; asked of the database only after somebody turned anything."""
        if not live.turns and not live.proofs:
            return Turned({}, [], 0)
        use_case = live.rollout.use_case
        key = (scope.workspace, use_case, arm.release_id, digest)
        kept = self._turned.get(key)
        if kept is not None and kept[0] == live:
            return kept[1]
        found = await asyncio.to_thread(load_turned, scope, use_case, arm.release_id, digest)
        if len(self._turned) >= _USERS_MAX:
            self._turned.clear()
        self._turned[key] = (live, found)
        return found


def _marker(live: Live, turned: Turned) -> str:
    return f"{live.rollout.id}.{live.proofs}.{turned.last}"
