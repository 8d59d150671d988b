"""What a person asks of an experiment, as it is typed."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError

from lineside.apps.release import Release, pick_release
from lineside.apps.rollout import Arm
from lineside.apps.staged.experiment import ExperimentArm
from lineside.core import Conflict, Invalid, Record
from lineside.usecases import rollouts

DEFAULT_LENGTH = "14d"
ARMS_MAX = 10
_NAME = re.compile(r"[A-Za-z][\w-]{0,31}")
_TAKEN = ("live", "canary", "shadow", "batch")
_LETTERS = "ABCDEFGHIJ"


class ArmWanted(Record):
    """One arm.

    Attributes:
        name: A letter or word of its own, as traces and charts show it.
        release: As `get_release` takes it; `live` is what is live.
        share: Of the users, such as `20%` or 0.2; arms without one share what is left evenly.
    """

    name: str
    release: str = "latest"
    share: str | float | None = None


class ExperimentWanted(Record):
    """Which releases are held against each other, for what, and for how long.

    Attributes:
        arms: The first is the live release; left out, they are `A` (live) and `B` (the newest).
        metric: `error_rate`, `latency`, `cost`, `feedback`, or the name of a score.
        lower_is_better: Of a score; by itself more is better.
        smallest: The smallest difference that matters, else 2 points of errors, 25 % of latency or
            cost, 5 points of thumbs up; of a score it must be said.
        users: With how many users in all arms together it ends; else planned by the last week.
        length: How long it lasts at most, such as `14d`.
        stop_if: What pulls it back, such as `error_rate > 2%`.
        margins: How much worse than live pulls it back, such as `{"error_rate": "2%"}`.
        audience: Whom it is for, such as `country = CH`; the shares are of them.
    """

    arms: tuple[ArmWanted, ...] = ()
    metric: str = Field(default="error_rate", min_length=1, max_length=100)
    lower_is_better: bool = False
    smallest: rollouts.Margin | None = None
    users: Annotated[int, Field(ge=20, le=10_000_000)] | None = None
    length: str | None = None
    stop_if: list[str] = Field(default_factory=list)
    margins: dict[str, str | float] = Field(default_factory=dict)
    audience: str | None = None


def read_wanted(values: Mapping[str, Any]) -> ExperimentWanted:
    """The same of what was typed.

    Raises:
        Invalid: Says what was read and what was expected.
    """
    try:
        return ExperimentWanted.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        misread = first.get("ctx", {}).get("error")
        place = ".".join(str(part) for part in first["loc"])
        said, hint = str(misread or first["msg"]), getattr(misread, "hint", None)
        raise Invalid("bad_experiment", f"`{place}`: {said}", hint=hint) from None


def arms_wanted(
    wanted: ExperimentWanted, use_case: str, releases: list[Release], live: Arm
) -> list[ExperimentArm]:
    """The arms with their releases and shares.

    Raises:
        Invalid: Fewer than two, more than ten, a name that is not free, shares that are not whole.
        Conflict: The first arm is not what is live.
    """
    typed = wanted.arms or tuple(
        ArmWanted(name=letter, release=release)
        for letter, release in zip(_LETTERS, ("live", "latest"), strict=False)
    )
    if not 2 <= len(typed) <= ARMS_MAX:
        raise Invalid("bad_arms", f"Read {len(typed)} arms, expected 2 to {ARMS_MAX}")
    names = [arm.name for arm in typed]
    for name in names:
        if not _NAME.fullmatch(name) or name.lower() in _TAKEN or names.count(name) > 1:
            raise Invalid(
                "bad_arm_name",
                f"Read `{name[:64]}` as the name of an arm, expected a word of its own other than "
                f"{', '.join(f'`{one}`' for one in _TAKEN)}",
                hint="Name arms such as `A` and `B`, or `short` and `long`.",
            )
    found = []
    for arm, share in zip(typed, _shares(typed), strict=True):
        reference = live.release_id if arm.release == "live" else arm.release
        release = pick_release(releases, use_case, reference)
        found.append(
            ExperimentArm(name=arm.name, release_id=release.id, label=release.label, share=share)
        )
    if found[0].release_id != live.release_id:
        raise Conflict(
            "first_arm_not_live",
            f"The first arm is `{found[0].label}`, but `{live.label}` is live; an experiment "
            "holds others against what is live",
            hint=f"Name it first, as `{found[0].name}=live`, or deploy `{found[0].label}` before.",
        )
    return found


def _shares(typed: Sequence[ArmWanted]) -> list[float]:
    try:
        said = [None if arm.share is None else rollouts.read_share(arm.share) for arm in typed]
    except ValueError as error:
        hint = getattr(error, "hint", None)
        raise Invalid("bad_share", str(error), hint=hint) from None
    left, silent = 1 - sum(share for share in said if share), said.count(None)
    shares = [left / silent if share is None else share for share in said]
    if min(shares) < 0.01 - 1e-9 or abs(sum(shares) - 1) > 1e-6:
        read = ", ".join(f"{share * 100:.4g} %" for share in shares)
        raise Invalid(
            "bad_shares",
            f"Read shares of {read}, expected them to add up to 100 % with 1 % each at least",
            hint="Leave some out: they share evenly what is left.",
        )
    return shares
