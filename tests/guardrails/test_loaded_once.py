"""Files of the use case folder are loaded once, whoever asks, and however many at once."""

from concurrent.futures import ThreadPoolExecutor

from lineside.guardrails.guard import Passage
from lineside.guardrails.own import from_file

SLOW = b"""
import time
time.sleep(0.2)

def polite(message: str) -> bool:
    return "please" in message
"""


def test_a_file_that_is_still_being_loaded_is_waited_for() -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(from_file, "slow.py:polite", files={"slow.py": SLOW}) for _ in range(4)
        ]
        guards = [one.result() for one in asked]

    assert all(guard(Passage("please", "input")) is None for guard in guards)
