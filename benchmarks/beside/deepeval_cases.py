"""Judges cases with deepeval and a metric that compares texts; prints the CPU a case took.

Arguments: number of cases, folder for its results. Nothing is sent anywhere.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    os.environ |= {
        "DEEPEVAL_TELEMETRY_OPT_OUT": "YES",
        "DEEPEVAL_RESULTS_FOLDER": sys.argv[2],
        "ERROR_REPORTING": "NO",
    }
    os.chdir(sys.argv[2])
    from deepeval import evaluate
    from deepeval.evaluate.configs import AsyncConfig, CacheConfig, DisplayConfig
    from deepeval.metrics import BaseMetric
    from deepeval.test_case import LLMTestCase

    class Exact(BaseMetric):  # type: ignore[misc] # the peer's own class, untyped here
        def __init__(self) -> None:
            self.threshold, self.async_mode = 1.0, False

        def measure(self, case: Any, *_: Any, **__: Any) -> float:
            self.score = float(case.actual_output == case.expected_output)
            self.success = self.score >= self.threshold
            return self.score

        async def a_measure(self, case: Any, *_: Any, **__: Any) -> float:
            return self.measure(case)

        def is_successful(self) -> bool:
            return bool(self.success)

        @property
        def __name__(self) -> str:
            return "exact"

    def judge(count: int) -> Any:
        cases = [
            LLMTestCase(input=f"Message {n}", actual_output="right", expected_output="right")
            for n in range(count)
        ]
        return evaluate(
            cases,
            [Exact()],
            display_config=DisplayConfig(show_indicator=False, print_results=False),
            async_config=AsyncConfig(run_async=False),
            # Its cache is written whole after each case; its results are kept without it.
            cache_config=CacheConfig(write_cache=False),
        )

    judge(20)
    count = int(sys.argv[1])
    cpu, wall = time.process_time(), time.perf_counter()
    found = judge(count)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if len(found.test_results) != count:
        raise SystemExit(f"{len(found.test_results)} of {count} cases were judged")
    if not any(Path(sys.argv[2]).iterdir()):
        raise SystemExit("No results were kept")
    print(json.dumps({"cpu_ms_per_case": cpu / count * 1000, "run_seconds": wall}))


if __name__ == "__main__":
    main()
