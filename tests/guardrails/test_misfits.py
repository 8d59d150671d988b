"""An answer in a form that does not fit: guards judge what is said of it like any answer."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from lineside.apps import Call, Serving, deploy, open_line, release_folder
from lineside.core import LinesideError, Settings
from lineside.traces import get_trace, latest_calls
from lineside.trust import local_scope
from lineside.usecases import read_folder

MAIL = "eve.noor@example.com"
ROUTE = {"targets": ["play/any"], "retries_max": 0}
ESCAPED = json.dumps({"to": MAIL}).replace("@", "\\u0040")


async def failure(home: Path, folder: Path, guards: str, said: str) -> tuple[str, str]:
    """The error a caller gets where the model says this, and all that its trace holds."""
    right, other = (
        {"output": {"text": json.dumps({"topic": topic, "confidence": 0.9})}}
        for topic in ("refund", "card")
    )
    rules = [
        {"when": {"contains": {"message": "odd"}}, "output": {"text": said}},
        {"when": {"contains": {"message": "does not fit"}}, "output": {"text": said}},
        {"when": {"pattern": {"message": "[13579]$"}}} | other,
        {"when": {"default": True}} | right,
    ]
    (home / "play.jsonl").write_text("\n".join(map(json.dumps, rules)))
    settings = {"scripted": {"play": {"file": "play.jsonl"}}, "routes": {"house": ROUTE}}
    (home / "gateway.yaml").write_text(json.dumps(settings))
    manifest = folder / "usecase.yaml"
    told = manifest.read_text().replace("scripted:answers.jsonl", "route:house")
    manifest.write_text(f"{told}\nguards:\n  output: {guards}\n")
    store = open_line(Settings(home=home, flush_seconds=0.05, otlp_grpc_port=0))
    scope = local_scope(store)
    try:
        await asyncio.to_thread(release_folder, scope, read_folder(folder))
        await asyncio.to_thread(deploy, scope, "triage")
        serving = Serving(store)
        with pytest.raises(LinesideError) as caught:
            await serving.call(scope, "triage", Call(input={"message": "an odd one"}))
        await serving.close()
        assert caught.value.code == "output_misfit"
        call = latest_calls(scope, use_case="triage")[0]
        spans = [span.model_dump() for span in get_trace(scope, call.trace_id)]
        return str(caught.value), orjson.dumps(spans).decode()
    finally:
        store.close()


@pytest.mark.parametrize(
    "said", [f"Ask {MAIL}", json.dumps({"topic": MAIL, "confidence": 1}), ESCAPED, "x " * 96 + MAIL]
)
async def test_what_an_error_says_of_an_answer_is_masked_like_one(
    made_home: Path, make_folder: Callable[..., Path], said: str
) -> None:
    folder = make_folder(right=20, gate=["accuracy >= 0.5"])
    error, trace = await failure(made_home, folder, "[mask_pii]", said)

    assert "form that does not fit: " in error
    assert "[masked:email]" in error or said.startswith("x ")
    for told in (error, trace):
        assert "eve.noor" not in told
        assert "eve\\u002e" not in told


async def test_what_guards_hold_back_of_an_answer_is_not_said_in_its_error(
    made_home: Path, make_folder: Callable[..., Path]
) -> None:
    folder = make_folder(right=20, gate=["accuracy >= 0.5"])
    error, trace = await failure(
        made_home,
        folder,
        "[{banned_phrases: [guaranteed returns]}]",
        "These are guaranteed returns.",
    )

    assert error.endswith("form that does not fit; guards hold back what it says")
    assert "guaranteed returns" not in error
    assert "are guaranteed" not in trace
