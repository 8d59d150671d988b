"""Finding things by their words, where clocks are coarse."""

from datetime import datetime, timedelta
from pathlib import Path

from lineside.store import text_index

NOON = datetime(2026, 3, 1, 12)  # noqa: DTZ001 # as the index has moments
HOUR = timedelta(hours=1)


def test_thousands_that_began_at_one_moment_are_all_found(tmp_path: Path) -> None:
    index = text_index.FolderTextIndex(tmp_path / "words.sqlite")
    for start in range(0, 5_000, 1_000):
        index.add(
            [
                text_index.Indexed("default", f"trace-{number}", NOON, f"parcel {number}")
                for number in range(start, start + 1_000)
            ]
        )

    bounds = {"before": NOON + HOUR, "after": NOON - HOUR}
    found = index.find("default", ["parcel"], limit=10_000, **bounds)
    assert len({key for key, _ in found}) == 5_000
    ((key, moment),) = index.find("default", ["parcel", "4321"], limit=10, **bounds)
    assert key == "trace-4321"
    assert abs(moment - NOON) < timedelta(seconds=1)
