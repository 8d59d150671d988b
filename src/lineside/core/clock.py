"""Time as lineside keeps it: aware, in UTC; and durations as people say them."""

from datetime import UTC, datetime, timedelta

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


def now() -> datetime:
    """The present moment in UTC; tests replace it here and nowhere else."""
    return datetime.now(UTC)


def in_utc(moment: datetime) -> datetime:
    """A moment in UTC: a naive one is there already; one beyond the calendar is its edge."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return EARLIEST if moment.year == EARLIEST.year else LATEST


_UNITS = ((365 * 86400, "year"), (86400, "day"), (3600, "hour"), (60, "min"))


def ago(moment: datetime, *, since: datetime | None = None) -> str:
    """Say how long ago a moment was, in one unit: `just now`, `5 min ago`, `3 days ago`.

    What a clock that is off dates later than now is `in 3 days`.
    """
    seconds = ((since or now()) - moment).total_seconds()
    for unit_seconds, unit in _UNITS:
        count = int(abs(seconds) // unit_seconds)
        if count >= 1:
            plural = "s" if count > 1 and unit != "min" else ""
            words = f"{count} {unit}{plural}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "just now"


def day(moment: datetime) -> str:
    """A moment as the clock on the wall says it, in few words; the year only if it is another."""
    local = moment.astimezone()
    is_this_year = local.year == now().astimezone().year
    return local.strftime("%-d %b %H:%M" if is_this_year else "%-d %b %Y")


def spell_duration(duration: timedelta) -> str:
    """Write a duration with one fitting unit: `850 ms`, `12.3 s`, `4 min 5 s`, `2 h 10 min`."""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
