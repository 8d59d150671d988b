"""Judges cases with pydantic-evals and a task that does nothing; prints the CPU a case took.

Argument: number of cases. The report stays in memory, nothing is kept on disk.
"""

import json
import sys
import time
from typing import Any


def main() -> None:
    from pydantic_evals import Case, Dataset
    from pydantic_evals.evaluators import EqualsExpected

    async def answer(_message: str) -> str:
        return "right"

    def dataset(count: int) -> Any:
        cases = [
            Case(name=str(number), inputs=f"Message {number}", expected_output="right")
            for number in range(count)
        ]
        return Dataset(name="cases", cases=cases, evaluators=[EqualsExpected()])

    dataset(20).evaluate_sync(answer, progress=False)
    count = int(sys.argv[1])
    judged = dataset(count)
    cpu, wall = time.process_time(), time.perf_counter()
    report = judged.evaluate_sync(answer, progress=False, max_concurrency=8)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if len(report.cases) != count:
        raise SystemExit(f"{len(report.cases)} of {count} cases were judged")
    print(json.dumps({"cpu_ms_per_case": cpu / count * 1000, "run_seconds": wall}))


if __name__ == "__main__":
    main()
