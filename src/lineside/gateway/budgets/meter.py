"""Reserving and settling off the event loop, and keeping alive what is held meanwhile."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from time import monotonic

from lineside.core import Unavailable
from lineside.gateway.budgets import reserving
from lineside.gateway.budgets.bound import Bound
from lineside.gateway.budgets.cap import Cap
from lineside.gateway.budgets.refusal import BudgetExceeded
from lineside.gateway.budgets.reserving import NOTHING, Hold, Payer, Used
from lineside.gateway.budgets.telling import Refusals
from lineside.store import Store
from lineside.traces import prices

_DATABASE_S = 10.0
_UNSETTLED_MAX = 10_000
_AGAIN_S = 1.0


class Meter:
    """Counts calls against their caps. One per process.

    The database is asked before each call, at least whether anybody has written: what another
    process took or set counts at once, and where the database does not answer, no call is made.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._refusals = Refusals(store)
        self._open: dict[str, Hold] = {}
        self._unsettled: list[tuple[Hold, Used]] = []
        self._keeping: asyncio.Task[None] | None = None
        self.price_tables = prices.PriceTables(store)

    async def reserve(self, payer: Payer, bound_of: Callable[[], Bound]) -> Hold:
        """Hold the most that a call can come to; see `reserving.reserve`.

        Raises:
            BudgetExceeded: A cap has no room.
            Invalid: No limit could hold for such a call.
            Unavailable: The limits cannot be read; says that the call was not made.
        """
        try:
            payer, caps, bound = await self._looked_up(payer, bound_of)
        except Unavailable as error:
            raise error if error.code == "budget_unreadable" else _away(error.message) from error
        except TimeoutError:
            raise _away(f"no answer within {_DATABASE_S:g} s") from None
        if not caps:
            return reserving.free()
        change = partial(reserving.reserve, payer=payer, caps=caps, bound=bound)
        try:
            async with asyncio.timeout(_DATABASE_S):
                hold = await self._store.changes.make(change, unwanted=self._give_back)
        except TimeoutError:
            raise _away(f"no answer within {_DATABASE_S:g} s") from None
        except Unavailable as error:
            raise _away(error.message) from error
        except BudgetExceeded as refused:
            self._refusals.tell(payer.workspace, payer.subjects, refused)
            raise
        if hold.parts:
            self._open[hold.id] = hold
            self._keep()
        return hold

    async def settle(self, hold: Hold, used: Used | None, *, waits: bool = True) -> None:
        """Put what a call took in place of what was held; done when this returns.

        Where the database is away it is done as soon as it is back. Settling twice counts once.

        Args:
            used: Nothing where it is not known: then all that was held counts as spent.
            waits: Without, it is only sure to be done before what is kept next, such as the call's
                trace; a database of many writers keeps no such order, and is waited for.
        """
        if not hold.parts:
            return
        changes = self._store.changes
        if hold.settling is None:
            self._open.pop(hold.id, None)
            told = used or Used()
            change = partial(reserving.settle, hold=hold, used=told)
            hold.settling = changes.make(change, is_certain=True)
            hold.settling.add_done_callback(lambda done: self._later_if_failed(done, hold, told))
        if (waits or not changes.is_in_order) and not hold.settling.done():
            with contextlib.suppress(Exception):  # whatever it was, it is tried again
                await asyncio.shield(hold.settling)

    def check(self, hold: Hold) -> None:
        """Go on only as long as what is held is surely still ours.

        Raises:
            Unavailable: The lease could not be renewed in time, so that others may have the room.
        """
        if monotonic() > hold.lives_until:
            raise Unavailable(
                "budget_lost",
                "The answer was cut off: what was reserved for it could not be kept, because the "
                "database does not answer",
                hint="Check the database, then call again.",
            )

    async def close(self) -> None:
        """Settle what is left, as far as the database lets us."""
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        with contextlib.suppress(Exception):
            await self._settle_again()

    def _keep(self) -> None:
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.ensure_future(self._keep_alive())

    async def _keep_alive(self) -> None:
        """Renew the leases of what is open, and settle again what could not be."""
        renewed = monotonic()
        while self._open or self._unsettled:
            await asyncio.sleep(_AGAIN_S)
            if self._unsettled:
                with contextlib.suppress(Exception):
                    await self._settle_again()
            if monotonic() - renewed < reserving.LEASE_S / 3 or not self._open:
                continue
            asked = monotonic()
            with contextlib.suppress(Exception):  # tried again; `check` says when it is too late
                ids = list(self._open)
                alive = await self._store.changes.make(partial(reserving.renew, hold_ids=ids))
                renewed = asked
                for hold_id in ids:
                    if hold_id in self._open:
                        lives = asked + reserving.LEASE_S if hold_id in alive else 0.0
                        self._open[hold_id].lives_until = lives

    async def _looked_up(
        self, payer: Payer, bound_of: Callable[[], Bound]
    ) -> tuple[Payer, list[Cap], Bound | None]:
        def look() -> tuple[Payer, list[Cap], Bound | None]:
            known = reserving.by_alias(self._store, payer)
            caps = reserving.find_caps(self._store, known)
            return known, caps, reserving.bound_on(caps, bound_of) if caps else None

        if self._store.records.is_sqlite:
            return look()  # whoever reads waits for nobody, and less than for a thread
        return await asyncio.wait_for(asyncio.to_thread(look), _DATABASE_S)

    async def _settle_again(self) -> None:
        for _ in range(len(self._unsettled)):
            hold, used = self._unsettled[0]
            await self._store.changes.make(partial(reserving.settle, hold=hold, used=used))
            self._unsettled.pop(0)

    def _later_if_failed(self, done: "asyncio.Future[None]", hold: Hold, used: Used) -> None:
        if not done.cancelled() and done.exception() is None:
            return
        if len(self._unsettled) < _UNSETTLED_MAX:
            self._unsettled.append((hold, used))
        self._keep()

    def _give_back(self, hold: Hold) -> None:
        """A reservation that came after its caller had left; no model was asked."""
        with contextlib.suppress(RuntimeError):  # closing: its lease runs out
            self._store.changes.make(partial(reserving.settle, hold=hold, used=NOTHING))


def _away(reason: str) -> Unavailable:
    return Unavailable(
        "budget_unreadable",
        "The call was refused and no model asked, because its limits cannot be read and nothing "
        f"goes unmetered: {reason}",
        hint="Check the database, then call again.",
    )
