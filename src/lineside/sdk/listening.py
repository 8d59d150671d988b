"""Who is told of evaluations; it imports nothing, so that listening alone costs nothing."""

from collections.abc import Callable
from typing import Any

heard: list[Callable[[Any], None]] = []
"""Called with each `Evaluation` once it is done, such as by the pytest plugin."""
