"""Sends traces as an application does that uses a tool's own SDK.

    python benchmarks/beside/own_sdk.py lineside|mlflow URL TRACES SPANS

Each trace is one step with the others in it, each with about 2 KiB of input and output.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

_WORDS = os.urandom(500).hex()
_ASKED, _ANSWERED = {"question": _WORDS}, {"answer": _WORDS[:900]}
_FLUSH_SECONDS_MAX = 120

Step = Callable[[str], Any]
Fill = Callable[[Any], None]


def main() -> None:
    tool, url, traces, spans = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    begin = {"lineside": _lineside, "mlflow": _mlflow}[tool]
    step, fill, finish = begin(url, traces * spans)
    for _ in range(traces):
        with step("call") as whole:
            fill(whole)
            for at in range(1, spans):
                with step(f"step {at}") as one:
                    fill(one)
    finish()


def _lineside(url: str, spans: int) -> tuple[Step, Fill, Callable[[], object]]:
    import lineside

    def fill(one: Any) -> None:
        one.input, one.output = _ASKED, _ANSWERED

    lineside.init(endpoint=url, queue_max=spans)
    return lineside.step, fill, lambda: lineside.flush(_FLUSH_SECONDS_MAX)


def _mlflow(url: str, _: int) -> tuple[Step, Fill, Callable[[], object]]:
    import mlflow

    def fill(one: Any) -> None:
        one.set_inputs(_ASKED)
        one.set_outputs(_ANSWERED)

    mlflow.set_tracking_uri(url)
    return mlflow.start_span, fill, mlflow.flush_trace_async_logging


if __name__ == "__main__":
    main()
