"""Which arm of a rollout a caller falls into."""

import hashlib
import random
from collections.abc import Mapping

from lineside.apps.rollout import Arm, Rollout
from lineside.usecases import audiences


def is_in_audience(rollout: Rollout, attributes: Mapping[str, audiences.Attribute]) -> bool | None:
    """Whether somebody is in the audience of the canary; nothing where it is for everybody."""
    audience = rollout.arms[-1].audience
    return audiences.Audience.read(audience).includes(attributes) if audience else None


def live_arm(rollout: Rollout) -> Arm:
    """What answers whoever a rollout is not for; such calls must not count as one of its arms."""
    first = rollout.arms[0]
    return first.model_copy(update={"name": "live"}) if rollout.experiment else first


def key_of(rollout: Rollout, *, session: str | None, user: str | None) -> str | None:
    """By what a caller stays in an arm: the session, in an experiment the user before it."""
    return (user or session) if rollout.experiment else (session or user)


def choose_arm(
    rollout: Rollout, key: str | None, attributes: Mapping[str, audiences.Attribute] | None = None
) -> Arm:
    """Say which arm a caller falls into: always the same one for the same key.

    The key (see `key_of`) is hashed to one of 10,000 places, and the canary takes the lowest; when
    its share grows, whoever was in it stays. Each experiment hashes in its own way, so that who was
    together in one is not together in the next. Without a key each call is drawn anew.
    """
    first = rollout.arms[0]
    if len(rollout.arms) == 1:
        return first
    if is_in_audience(rollout, attributes or {}) is False:
        return live_arm(rollout)
    if key is None:
        place = random.randrange(10_000)  # noqa: S311 # a share of traffic, not a secret
    else:
        salt = rollout.experiment or rollout.use_case
        digest = hashlib.sha256(f"{salt}\n{key}".encode()).digest()
        place = int.from_bytes(digest[:8]) % 10_000
    taken = 0.0
    for arm in rollout.arms[1:]:
        taken += arm.percent * 100
        if place < taken:
            return arm
    return first
