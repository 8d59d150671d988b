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


def choose_arm(
    rollout: Rollout, key: str | None, attributes: Mapping[str, audiences.Attribute] | None = None
) -> Arm:
    """Say which arm a caller falls into: always the same one for the same key.

    The key (a session or a user) is hashed to one of 10,000 places, and the canary takes the
    lowest; when its share grows, whoever was in it stays. Without a key each call is drawn anew.
    """
    if len(rollout.arms) == 1 or is_in_audience(rollout, attributes or {}) is False:
        return rollout.arms[0]
    if key is None:
        place = random.randrange(10_000)  # noqa: S311 # a share of traffic, not a secret
    else:
        digest = hashlib.sha256(f"{rollout.use_case}\n{key}".encode()).digest()
        place = int.from_bytes(digest[:8]) % 10_000
    canary = rollout.arms[1]
    return canary if place < canary.percent * 100 else rollout.arms[0]
