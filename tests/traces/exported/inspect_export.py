"""Makes `inspect.eval`: `python tests/traces/exported/inspect_export.py`, by Inspect 0.3.285."""

import os
import tempfile
import zipfile
from pathlib import Path

from inspect_ai import Task, eval  # noqa: A004
from inspect_ai.dataset import Sample
from inspect_ai.log import ProvenanceData, edit_score, read_eval_log, write_eval_log
from inspect_ai.model import ChatMessageUser, ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, ScoreEdit, includes, mean, scorer
from inspect_ai.solver import generate, use_tools
from inspect_ai.tool import ToolError, tool

HERE = Path(__file__).parent


@tool
def lookup():
    async def execute(parcel: str) -> str:
        """Look up a parcel.

        Args:
            parcel: Its number.
        """
        raise ToolError(f"There is no parcel {parcel}")

    return execute


@scorer(metrics=[mean()])
def unsure():
    async def score(state, target):
        return Score(value=float("nan"), explanation="The judge said nothing")

    return score


def answers():
    call = ModelOutput.for_tool_call("mockllm/model", "lookup", {"parcel": "9"})
    end = ModelOutput.from_content("mockllm/model", "There is none")
    for output in (call, end):
        output.usage = ModelUsage(input_tokens=30, output_tokens=5, total_tokens=35)
    return [call, end] * 2


def main() -> None:
    place = tempfile.mkdtemp()
    os.chdir(place)
    chat = [ChatMessageUser(content="Hello"), ChatMessageUser(content="Where is parcel 9?")]
    task = Task(
        name="parcels",
        dataset=[Sample(id="one", input=chat, target="none")],
        solver=[use_tools(lookup()), generate()],
        scorer=[includes(), unsure()],
        epochs=2,
    )
    model = get_model("mockllm/model", custom_outputs=answers(), memoize=False)
    [log] = eval(task, model=model, log_dir=place, display="none", max_samples=1, tags=["nightly"])
    log = read_eval_log(log.location)
    by_hand = ProvenanceData(author="ada", reason="There is one", timestamp="2031-01-01T00:00:00Z")
    edit_score(log, "one", "includes", ScoreEdit(value="I", provenance=by_hand), epoch=1)
    for sample in log.samples:
        for event in sample.events:
            if event.event == "score_edit":
                event.timestamp = by_hand.timestamp
    write_eval_log(log, "whole.eval")
    with (
        zipfile.ZipFile("whole.eval") as whole,
        zipfile.ZipFile(HERE / "inspect.eval", "w", zipfile.ZIP_DEFLATED) as kept,
    ):
        for name in whole.namelist():
            text = whole.read(name).decode()
            for here in (str(Path.home()), str(HERE.parents[2]), place):
                text = text.replace(here, ".")
            kept.writestr(name, text)


main()
