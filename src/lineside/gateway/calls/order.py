"""In what order the targets of a route are asked, and why. Pure but for the chance it is given."""

import hashlib
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lineside.core import Invalid
from lineside.gateway.calls.route import ModelRoute, ModelTarget, RouteTarget
from lineside.gateway.canonical.request import ModelRequest

Price = Callable[[ModelTarget, int, int], float | None]
"""US dollars of a call that reads and writes so many tokens; nothing where no table knows."""

_BYTES_PER_TOKEN = 4
_MEDIA_TOKENS = 1_500


@dataclass(frozen=True)
class Ranked:
    """The targets in the order in which they are asked, and in words why the first is the first.

    Attributes:
        skipped: Those whose context the request does not fit into.
    """

    targets: Sequence[ModelTarget]
    why: str = ""
    skipped: Sequence[str] = ()


def rank(
    route: ModelRoute,
    targets: Sequence[ModelTarget],
    request: ModelRequest,
    *,
    subject: str | None,
    price: Price,
    chance: Callable[[], float] = random.random,
) -> Ranked:
    """Put the targets of a route into the order that it asks for.

    Args:
        targets: As the route names them, in its order.
        subject: Whom a sticky route keeps to one target; nothing where the call does not say.

    Raises:
        Invalid: The request fits into no target's context.
    """
    both, skipped = _fitting(route, targets, request)
    match route.order:
        case "weighted":
            ranked = _weighted(both, subject if route.sticky else None, chance)
            why = f"sticky by {route.sticky}" if route.sticky and subject else "weighted"
        case "least_latency":
            ranked, why = _least_latency([target for _, target in both], request)
        case "cheapest":
            ranked, why = _cheapest([target for _, target in both], request, price)
        case _:
            ranked, why = [target for _, target in both], ""
    return Ranked(ranked, why, skipped)


def estimated_tokens(request: ModelRequest) -> int:
    """About how many tokens a request has: one for each four bytes, 1,500 for a picture or file.

    That is near for English. Other scripts and code have more, so leave room in `context_tokens`.
    """
    media = list(request.media)
    inline = sum(len(part.data or "") for part in media)
    size = len(request.model_dump_json(exclude_defaults=True).encode()) - inline
    return max(0, size) // _BYTES_PER_TOKEN + len(media) * _MEDIA_TOKENS


Both = tuple[RouteTarget, ModelTarget]


def _fitting(
    route: ModelRoute, targets: Sequence[ModelTarget], request: ModelRequest
) -> tuple[list[Both], list[str]]:
    both = list(zip(route.targets, targets, strict=True))
    limits = [one.context_tokens for one in route.targets if one.context_tokens is not None]
    if not limits:
        return both, []
    tokens_in, tokens_out = estimated_tokens(request), request.tokens_out_max or 0
    fits = [
        pair
        for pair in both
        if pair[0].context_tokens is None or tokens_in + tokens_out <= pair[0].context_tokens
    ]
    if not fits:
        raise Invalid(
            "context_too_long",
            f"The request has about {tokens_in:,} tokens and asks for up to {tokens_out:,} more; "
            f"the longest context on its route is {max(limits):,} tokens",
            hint="Send less, ask for a shorter answer, or give the route a target with a longer "
            "context.",
        )
    return fits, [one.model for one, target in both if (one, target) not in fits]


def _weighted(
    both: Sequence[Both], subject: str | None, chance: Callable[[], float]
) -> list[ModelTarget]:
    """Draw all of them without putting back, each by its weight.

    Where a subject is given, its digest with the target's name stands in for the chance (weighted
    rendezvous hashing): every replica comes to the same order without asking another, and a target
    that is added or removed moves only the subjects that come to it or leave it.
    """

    def draw(one: RouteTarget) -> float:
        if not one.share:
            return math.inf
        number = chance() if subject is None else _share(subject, one.model)
        return -math.log(1.0 - number) / one.share

    return [target for _, target in sorted(both, key=lambda pair: draw(pair[0]))]


def _share(subject: str, name: str) -> float:
    """A number from 0 up to 1 that only the two decide."""
    digest = hashlib.blake2b(f"{len(subject)}:{subject}{name}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


def _least_latency(
    targets: Sequence[ModelTarget], request: ModelRequest
) -> tuple[list[ModelTarget], str]:
    """The quickest first; before it one that nobody has measured, last what is failing."""
    is_stream = bool(request.is_stream)

    def place(target: ModelTarget) -> tuple[int, float]:
        latency = target.latency
        if latency is None or latency.is_failing:
            return 3, 0.0
        seconds = latency.seconds(is_stream=is_stream)
        if seconds is None:
            return (2, 0.0) if latency.is_being_tried else (0, 0.0)
        return 1, seconds

    ranked = sorted(targets, key=place)
    first = ranked[0].latency
    seconds = first.seconds(is_stream=is_stream) if first else None
    if first is not None and seconds is None:
        first.tried()
    return ranked, "least_latency: " + ("unmeasured" if seconds is None else f"{seconds:.3f} s")


def _cheapest(
    targets: Sequence[ModelTarget], request: ModelRequest, price: Price
) -> tuple[list[ModelTarget], str]:
    """By what the request costs with an answer as long as itself; unknown prices come last."""
    tokens_in = estimated_tokens(request)
    tokens_out = min(tokens_in, request.tokens_out_max or tokens_in)
    usd = {target.name: price(target, tokens_in, tokens_out) for target in targets}

    def place(target: ModelTarget) -> tuple[bool, float]:
        found = usd[target.name]
        return found is None, found or 0.0

    ranked = sorted(targets, key=place)
    cost = usd[ranked[0].name]
    why = "cheapest: " + ("no price known" if cost is None else f"about ${cost:.9f}".rstrip("0"))
    unknown = [name for name, found in usd.items() if found is None]
    if unknown and cost is not None:
        why += f", price unknown: {', '.join(unknown)}"
    return ranked, why
