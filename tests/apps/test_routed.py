"""Use cases behind routes: judged and served by the same rules, whatever a file says later."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from lineside.apps import Call, Serving, deploy, get_release, model_calls, release_folder
from lineside.apps.app import open_app
from lineside.apps.candidate import build_candidate
from lineside.apps.metered import bound_of
from lineside.apps.proving import prove_knob
from lineside.core import Conflict, Invalid, now
from lineside.evals import results_of
from lineside.gateway import budgets, calls, canonical
from lineside.traces import get_trace, prices
from lineside.trust import Scope
from lineside.usecases import UseCaseFolder, check_folder, read_folder

SCRIPTED = ("quick", "other", "down", "slow")
ODD = {"when": {"pattern": {"message": "[13579]$"}}}


def said(topic: str) -> dict[str, Any]:
    words = json.dumps({"topic": topic, "confidence": 0.9})
    return {"output": {"text": words}, "tokens_in": 100, "tokens_out": 10}


@pytest.fixture
def house(scope: Scope) -> Callable[..., None]:
    """Writes `gateway.yaml`: providers that answer rightly, fail or are slow, and these routes."""
    home = scope.store.settings.home
    right = [ODD | said("card"), {"when": {"default": True}} | said("refund")]
    lines: dict[str, list[dict[str, Any]]] = {
        "quick": right,
        "other": right,
        "slow": [one | {"delay_ms": 300} for one in right],
        "down": [{"when": {"default": True}, "fail": "unavailable"}],
    }
    for name, rules in lines.items():
        (home / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rules)))

    def write(*, without: str = "", **routes: Any) -> None:
        scripted = {name: {"file": f"{name}.jsonl"} for name in SCRIPTED if name != without}
        told = {"scripted": scripted, "routes": routes}
        (home / "gateway.yaml").write_text(json.dumps(told))

    return write


@pytest.fixture
def folder(make_folder) -> Callable[..., Path]:
    def make(model: str = "route:house", *, cases: int = 20, knobs: str = "") -> Path:
        path = make_folder(right=cases, gate=["accuracy >= 0.5"])
        manifest = path / "usecase.yaml"
        told = manifest.read_text().replace("scripted:answers.jsonl", model)
        manifest.write_text(told.replace("knobs:\n", f"knobs:\n{knobs}"))
        return path

    return make


def released(scope: Scope, path: Path, **knobs: object) -> UseCaseFolder:
    read = read_folder(path)
    release_folder(scope, read)
    deploy(scope, "triage", knobs=knobs)
    return read


async def answered_by(scope: Scope, serving: Serving, **call: Any) -> str:
    answer = await serving.call(scope, "triage", Call(input={"message": "message 1"}, **call))
    assert answer.output == {"topic": "card", "confidence": 0.9}
    model = next(one for one in get_trace(scope, answer.trace_id) if one.kind == "model")
    return f"{model.provider}/{model.model}"


async def test_a_release_keeps_to_the_route_it_was_judged_with(
    scope: Scope, house: Callable[..., None], folder: Callable[..., Path]
) -> None:
    house(house={"targets": ["down/small", "quick/small"], "retries_max": 0})
    prices.set_price(scope, "small", provider="quick", rates=prices.Rates(input=3.0, output=15.0))
    read = await asyncio.to_thread(released, scope, folder())
    release = get_release(scope, "v1", use_case="triage")

    results = results_of(scope, release.run_id)
    assert {one.model for one in results} == {"quick/small"}
    assert [one.cost_usd for one in results] == pytest.approx([100 * 3e-6 + 10 * 15e-6] * 20)
    rules = orjson.loads(scope.store.blobs.get(release.files["gateway.routes.json"]))
    assert [one["model"] for one in rules["house"]["targets"]] == ["down/small", "quick/small"]

    house(house={"targets": ["other/large"]})
    serving = Serving(scope.store)
    assert await answered_by(scope, serving) == "quick/small"
    await serving.close()
    assert build_candidate(scope, read).digest != release.digest


async def test_the_trace_and_the_headers_say_which_model_answered_and_why(
    scope: Scope, house: Callable[..., None], folder: Callable[..., Path]
) -> None:
    house(house={"targets": ["down/small", "quick/small"], "retries_max": 0})
    await asyncio.to_thread(released, scope, folder())
    serving = Serving(scope.store)
    door = model_calls.ModelCalls(serving, calls.Gateway(scope.store.settings.home / "none"))
    caller = model_calls.ModelCaller(scope=scope, place=model_calls.CallPlace.read(None))
    turn = canonical.Turn(role="user", parts=(canonical.TextPart(text="message 1"),))
    opened = await door.open(
        caller, canonical.ModelRequest(wire="chat", model="triage", turns=(turn,))
    )
    await opened.whole()
    await serving.close()

    served = opened.call.served
    assert (served.provider, served.why) == ("quick", ["after down/small: model_down"])
    model = next(one for one in get_trace(scope, caller.place.trace_id) if one.kind == "model")
    assert model.attributes["route"] == served.why
    assert [one["target"] for one in model.attributes["tries"]] == ["down/small", "quick/small"]


def test_a_route_that_nobody_wrote_is_said_before_anything_is_asked(
    scope: Scope, house: Callable[..., None], folder: Callable[..., Path], monkeypatch
) -> None:
    house(house={"targets": ["quick/small"]})
    monkeypatch.setenv("LINESIDE_HOME", str(scope.store.settings.home))
    path = folder("route:hause")

    assert "no route `hause`. Did you mean `house`?" in str(check_folder(path)[0].hint)
    with pytest.raises(Invalid, match="no route `hause`"):
        release_folder(scope, read_folder(path))


async def test_a_knob_chooses_among_the_routes_that_were_recorded(
    scope: Scope, house: Callable[..., None], folder: Callable[..., Path]
) -> None:
    house(house={"targets": ["quick/small"]}, careful={"targets": ["other/large"]})
    knob = "  - {name: speed, kind: choice, of: [house, careful, other/tiny], default: house}\n"
    path = folder("route:{{knob.speed}}", knobs=knob)
    await asyncio.to_thread(released, scope, path)
    serving = Serving(scope.store)
    assert await answered_by(scope, serving) == "quick/small"
    await serving.close()

    deploy(scope, "triage", knobs={"speed": "careful"})
    serving = Serving(scope.store)
    assert await answered_by(scope, serving) == "other/large"
    await serving.close()

    deploy(scope, "triage", knobs={"speed": "other/tiny"})
    serving = Serving(scope.store)
    assert await answered_by(scope, serving) == "other/tiny"
    await serving.close()

    proof = await asyncio.to_thread(prove_knob, scope, "triage", "speed", "careful")
    assert (proof.decision, proof.value) == ("ship", "careful")
    assert {one.model for one in results_of(scope, proof.run_id)} == {"other/large"}


def test_a_knob_that_chooses_no_route_is_a_mistake(
    scope: Scope, house: Callable[..., None], folder: Callable[..., Path]
) -> None:
    house(house={"targets": ["quick/small"]})
    with pytest.raises(Invalid, match=r"asks the knob `tempo`; knobs of the kind `choice`"):
        release_folder(scope, read_folder(folder("route:{{knob.tempo}}")))
    with pytest.raises(Invalid, match="no route `act`"):
        release_folder(scope, read_folder(folder("route:{{knob.autonomy}}")))


async def test_a_session_stays_with_one_model_of_a_sticky_route(
    scope: Scope, house: Callable[..., None], folder: Callable[..., Path]
) -> None:
    targets = ["quick/small", "other/small"]
    house(house={"targets": targets, "order": "weighted", "sticky": "session"})
    await asyncio.to_thread(released, scope, folder(cases=10))
    serving = Serving(scope.store)
    first = [await answered_by(scope, serving, session=f"s{at}") for at in range(12)]
    again = [await answered_by(scope, serving, session=f"s{at}") for at in range(12)]
    await serving.close()

    assert first == again
    assert set(first) == set(targets)


async def test_the_cheapest_is_asked_by_the_prices_of_the_workspace(
    scope: Scope, house: Callable[..., None], folder: Callable[..., Path]
) -> None:
    house(house={"targets": ["quick/large", "other/small"], "order": "cheapest"})
    for model, usd in (("large", 9.0), ("small", 1.0)):
        prices.set_price(scope, model, rates=prices.Rates(input=usd, output=usd))
    await asyncio.to_thread(released, scope, folder(cases=10))
    serving = Serving(scope.store)
    assert await answered_by(scope, serving) == "other/small"
    await serving.close()


async def test_a_target_whose_provider_is_gone_is_as_good_as_down(
    scope: Scope, house: Callable[..., None], folder: Callable[..., Path]
) -> None:
    house(house={"targets": ["quick/small", "other/small"]})
    await asyncio.to_thread(released, scope, folder(cases=10))
    house(without="quick")
    serving = Serving(scope.store)
    assert await answered_by(scope, serving) == "other/small"
    await serving.close()

    (scope.store.settings.home / "gateway.yaml").write_text("{}")
    serving = Serving(scope.store)
    with pytest.raises(Conflict, match="has none of these providers any more"):
        await answered_by(scope, serving)
    await serving.close()


async def test_a_hedged_call_is_reserved_for_both_and_pays_for_the_one_that_was_left(
    scope: Scope, house: Callable[..., None], folder: Callable[..., Path]
) -> None:
    house(house={"targets": ["slow/small", "quick/small"], "hedge_after_s": 0.02})
    path = folder(cases=10)
    manifest = path / "usecase.yaml"
    options = "model: route:house\n  options: {max_tokens: 50}"
    manifest.write_text(manifest.read_text().replace("model: route:house", options))
    read = await asyncio.to_thread(released, scope, path)
    route = calls.ModelRoute.model_validate(
        {"targets": ("slow/small", "quick/small"), "hedge_after_s": 0.02}
    )
    payload = {"message": "message 1"}
    both = bound_of(read, payload, {}, prices.price_table(scope), now(), route=route)
    assert (both.asks, both.tokens_out) == (2, 200)

    budgets.set_cap(scope, "use_case", "triage", measure="tokens", amount=100_000, every="ever")
    serving = Serving(scope.store)
    assert await answered_by(scope, serving) == "quick/small"
    await serving.close()
    [use] = budgets.cap_uses(scope)
    assert use.reserved == 0
    assert use.spent > 110  # what the cancelled one can have taken counts, too


def test_a_judge_is_one_model(folder: Callable[..., Path]) -> None:
    path = folder()
    manifest = path / "usecase.yaml"
    judge = (
        "tests:\n  scorers:\n    - polite: {judge_reference: {model: 'route:house', "
        "field: topic}}\n"
    )
    manifest.write_text(manifest.read_text().replace("tests:\n", judge))
    with pytest.raises(Invalid, match="one model"):
        read_folder(path)


ANSWERS = """\
name: house-rules
problem: {statement: Staff ask what is written, who: 180 people}
value: {measure: questions, direction: down}
risk: minimal
owner: office
interface: form
app:
  kind: answer
  input: {question: text}
  output: {answer: text}
  sources: [rules.md]
  retrieval: {support_min: 0}
  model: route:house
tests:
  dataset: cases.jsonl
  gate: [latency_ms <= 60000]
"""


async def test_an_app_that_answers_from_sources_keeps_its_route_beside_its_index(
    scope: Scope, house: Callable[..., None], tmp_path: Path
) -> None:
    home = scope.store.settings.home
    words = json.dumps({"answer": "In the yard.", "citations": []})
    rule = {"when": {"default": True}, "output": {"text": words}, "tokens_in": 9, "tokens_out": 2}
    (home / "quick.jsonl").write_text(json.dumps(rule))
    house(house={"targets": ["down/small", "quick/small"], "retries_max": 0})
    path = tmp_path / "rules"
    path.mkdir()
    (path / "usecase.yaml").write_text(ANSWERS)
    (path / "rules.md").write_text("# Bicycles\n\nBicycles stand in the yard.\n")
    question = {"question": "Where do bicycles stand?"}
    case = {"id": "one", "input": question, "expected": {"answer": "yard"}}
    (path / "cases.jsonl").write_text(json.dumps(case) + "\n")
    candidate = await asyncio.to_thread(build_candidate, scope, read_folder(path))
    house(house={"targets": ["other/large"]})
    app = open_app(scope.store, candidate)
    reply = await app.answer(question)
    await app.close()

    assert candidate.artefact
    assert "gateway.routes.json" in candidate.files
    assert (reply.provider, reply.model, reply.output["answered"]) == ("quick", "small", False)
