"""Lets one guard judge, and makes a no of everything that goes wrong while it does."""

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import cast

from lineside.guardrails.guard import Caught, Guard, GuardDecision, Passage
from lineside.usecases import guards

INLINE_CHARACTERS_MAX = 200_000
"""Longer texts are judged beside the loop that serves other calls."""

_THREADS_MAX = 64
_REASON_MAX = 300
_is_awaited = lru_cache(1_000)(inspect.iscoroutinefunction)
_slots = threading.BoundedSemaphore(_THREADS_MAX)


async def judge(guard: Guard, passage: Passage) -> tuple[GuardDecision, Caught | None]:
    """What a guard says of a passage, and what it caught; never raises.

    A check that raises, gives what is no answer, or comes later than its deadline counts as the
    guard's `on_error` says, and the decision says that nothing was judged. One that nobody could
    leave behind has its own work counted and not the time that the machine gave to others: it has
    judged, and to refuse that would undo no wait.
    """
    started = time.perf_counter()
    try:
        caught = await _checked(guard, passage)
        if caught is not None and not isinstance(caught, Caught):
            raise TypeError(f"it gave {type(caught).__name__}, expected what it caught, or nothing")
        elapsed_ms = (time.perf_counter() - started) * 1000
        if elapsed_ms > guard.deadline_ms and _is_inline(guard, passage):
            elapsed_ms = _own_work_ms(guard, passage)
    except TimeoutError:
        return _not_judged(guard, f"it took longer than {guard.deadline_ms:g} ms", started), None
    except Exception as error:  # noqa: BLE001 # whatever it was, nothing was judged
        # Never the error's own words: they may quote the text.
        return _not_judged(guard, f"it failed with {type(error).__name__}", started), None
    if elapsed_ms > guard.deadline_ms:
        late = f"it took {elapsed_ms:.0f} ms, longer than {guard.deadline_ms:g} ms"
        return _not_judged(guard, late, started), None
    if caught is None or caught.score < guard.limit:
        score = None if caught is None else round(caught.score, 4)
        said = _decision(guard, "allow", started, score=score)
        return said, None
    if guard.action == "transform" and caught.replacement is None:
        # It was to mend the text and cannot: what cannot be mended does not pass.
        return _decision(guard, "deny", started, caught=caught), caught
    return _decision(guard, guard.action, started, caught=caught), caught


_GRAVITY = ("allow", "warn", "transform", "escalate", "deny")


def is_graver(one: GuardDecision, other: GuardDecision) -> bool:
    """Whether its verdict weighs more than the other's."""
    return _GRAVITY.index(one.verdict) > _GRAVITY.index(other.verdict)


def verdicts(decisions: Iterable[GuardDecision]) -> dict[str, guards.GuardVerdict]:
    """What each guard said, by its name: the gravest where it stands at several points."""
    gravest: dict[str, GuardDecision] = {}
    for one in decisions:
        if one.guard not in gravest or is_graver(one, gravest[one.guard]):
            gravest[one.guard] = one
    return {name: one.verdict for name, one in gravest.items()}


def together(first: GuardDecision, second: GuardDecision) -> GuardDecision:
    """One decision on several texts of a message: the gravest, with the counts of all."""
    graver = second if is_graver(second, first) else first
    kinds = {
        kind: first.kinds.get(kind, 0) + second.kinds.get(kind, 0)
        for kind in {**first.kinds, **second.kinds}
    }
    return graver.model_copy(
        update={
            "kinds": kinds,
            "is_enforced": first.is_enforced and second.is_enforced,
            "error": first.error or second.error,
            "duration_ms": round(first.duration_ms + second.duration_ms, 3),
        }
    )


async def _checked(guard: Guard, passage: Passage) -> object:
    seconds = guard.deadline_ms / 1000
    if _is_awaited(guard.check):
        waited_for = cast("Awaitable[object]", guard.check(passage))
        return await asyncio.wait_for(waited_for, seconds)
    if not _is_inline(guard, passage):
        return await asyncio.wait_for(_beside(guard.check, passage), seconds)
    return guard.check(passage)


def _is_inline(guard: Guard, passage: Passage) -> bool:
    is_short = len(passage.text) <= INLINE_CHARACTERS_MAX
    return is_short and not guard.is_own and not _is_awaited(guard.check)


def _own_work_ms(guard: Guard, passage: Passage) -> float:
    """What a check takes of the processor, found by doing it once more.

    To ask the system each time costs every call more than this costs the few that came late.
    """
    began = time.thread_time()
    guard.check(passage)
    return (time.thread_time() - began) * 1000


async def _beside(check: Callable[[Passage], object], passage: Passage) -> object:
    """Run a check in a thread that can be left behind; the interpreter does not wait for it."""
    if not _slots.acquire(blocking=False):
        raise RuntimeError(f"{_THREADS_MAX} checks hang already")
    loop = asyncio.get_running_loop()
    done: asyncio.Future[object] = loop.create_future()

    def settle(result: object, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def work() -> None:
        result: object = None
        failed: Exception | None = None
        try:
            result = check(passage)
        except StopIteration:
            failed = RuntimeError("it stopped an iteration")  # no future may carry StopIteration
        except Exception as error:  # noqa: BLE001 # given on to whoever waits
            failed = error
        except BaseException as error:  # noqa: BLE001 # an exit is no verdict either
            failed = RuntimeError(type(error).__name__)
        finally:
            _slots.release()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=work, name="guard", daemon=True).start()
    return await done


def _decision(
    guard: Guard,
    verdict: guards.GuardVerdict,
    started: float,
    *,
    caught: Caught | None = None,
    score: float | None = None,
) -> GuardDecision:
    return GuardDecision(
        guard=guard.name,
        point=guard.point,
        verdict=verdict,
        reason=caught.reason[:_REASON_MAX] if caught else None,
        score=round(caught.score, 4) if caught else score,
        kinds=dict(caught.kinds) if caught else {},
        duration_ms=_since(started),
    )


def _not_judged(guard: Guard, why: str, started: float) -> GuardDecision:
    # A check that failed has nothing to put in the text's place.
    verdict = "deny" if guard.on_error == "transform" else guard.on_error
    return GuardDecision(
        guard=guard.name,
        point=guard.point,
        verdict=verdict,
        reason=f"not enforced: {why}",
        is_enforced=False,
        error=why,
        duration_ms=_since(started),
    )


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
