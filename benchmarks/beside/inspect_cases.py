"""Judges cases with inspect-ai and a solver that does nothing; prints the CPU a case took.

Its mock model would download a tokenizer to count tokens, so no model is asked. Arguments: number
of cases, folder for its logs.
"""

import json
import os
import sys
import time


def main() -> None:
    os.environ["INSPECT_LOG_DIR"] = sys.argv[2]
    os.environ["INSPECT_DISPLAY"] = "none"
    from inspect_ai import Task
    from inspect_ai import eval as judge
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import exact
    from inspect_ai.solver import Generate, Solver, TaskState, solver

    @solver
    def idle() -> Solver:
        async def solve(state: TaskState, _generate: Generate) -> TaskState:
            state.output = ModelOutput.from_content("none", "right")
            return state

        return solve

    def cases(count: int) -> Task:
        samples = [
            Sample(input=f"Message {number}", target="right", id=number)
            for number in range(1, count + 1)
        ]
        return Task(dataset=MemoryDataset(samples), solver=idle(), scorer=exact())

    judge(cases(20), model="mockllm/model", log_dir=sys.argv[2])
    count = int(sys.argv[1])
    cpu, wall = time.process_time(), time.perf_counter()
    logs = judge(cases(count), model="mockllm/model", log_dir=sys.argv[2])
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    results = logs[0].results
    done = results.completed_samples if results else 0
    if done != count:
        raise SystemExit(f"{done} of {count} cases were judged")
    print(json.dumps({"cpu_ms_per_case": cpu / count * 1000, "run_seconds": wall}))


if __name__ == "__main__":
    main()
