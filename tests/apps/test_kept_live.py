"""Callers with a knob at a value that a canary lacks evidence for: the live release serves them."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lineside.apps import Call, Serving, deploy, open_line, proving, release_folder, staged
from lineside.core import Denied, Settings, now
from lineside.server import build
from lineside.traces import arms, latest_calls
from lineside.trust import Scope, local_scope
from lineside.usecases import read_folder

BEGUN = now()


@pytest.fixture
def releases(scope: Scope, make_folder: Callable[..., Path]) -> list[str]:
    """Two of them; only the first has evidence for `autonomy` at `act`."""
    ids = []
    for note in ("one", "two"):
        folder = read_folder(make_folder(note=note, gate=["accuracy >= 0.5"]))
        ids.append(release_folder(scope, folder).release.id)
        if note == "one":
            deploy(scope, "triage", "v1")
            assert proving.prove_knob(scope, "triage", "autonomy", "act").decision == "ship"
    return ids


def ask(user: str | None = None, **knobs: str) -> Call:
    return Call(input={"message": "message 1"}, user=user, knobs=knobs)


async def test_a_turned_knob_is_kept_to_while_a_canary_runs_and_counts_in_no_arm(
    scope: Scope, releases: list[str]
) -> None:
    serving = Serving(scope.store)
    await serving.knobs.turn(scope, "triage", "autonomy", "act", user="ann")
    await asyncio.to_thread(deploy, scope, "triage", "v2", percent=99.99)
    await asyncio.sleep(0.3)

    brought = [await serving.call(scope, "triage", ask(f"u{n}", autonomy="act")) for n in range(6)]
    left = await serving.call(scope, "triage", ask("ann"))
    others = [await serving.call(scope, "triage", ask(f"u{number}")) for number in range(6)]

    for one in [*brought, left]:
        assert (one.release, one.knobs["autonomy"]) == ("v1", "act")
        assert one.kept_live == ["autonomy"]
    assert {(one.release, tuple(one.kept_live)) for one in others} == {("v2", ())}
    figures = await asyncio.to_thread(arms.arm_figures, scope, "triage", releases, since=BEGUN)
    assert [(one.release, one.calls) for one in figures] == [(releases[1], 6)]
    spans = await asyncio.to_thread(latest_calls, scope, use_case="triage")
    assert sum(span.attributes.get("kept_live") == ["autonomy"] for span in spans) == 7
    await asyncio.to_thread(proving.prove_knob, scope, "triage", "autonomy", "act", reference="v2")
    await asyncio.sleep(0.3)
    proved = await serving.call(scope, "triage", ask("ann"))
    assert (proved.release, proved.knobs["autonomy"], proved.kept_live) == ("v2", "act", [])
    await serving.close()


async def test_a_user_of_the_canary_may_turn_to_what_the_live_release_offers(
    scope: Scope, releases: list[str]
) -> None:
    serving = Serving(scope.store)
    await asyncio.to_thread(deploy, scope, "triage", "v2", percent=99.99)
    before = await serving.knobs.now(scope, "triage", user="ann")
    turned = await serving.knobs.turn(scope, "triage", "autonomy", "act", user="ann")
    back = await serving.knobs.turn(scope, "triage", "autonomy", None, user="ann")
    await serving.close()

    assert (before.release, before.knobs[0].offered) == ("v2", ("suggest", "act"))
    assert (turned.release, turned.knobs[0].value) == ("v1", "act")
    assert (back.release, back.knobs[0].value) == ("v2", "suggest")


async def test_what_only_the_canary_has_evidence_for_is_refused_as_without_it(
    scope: Scope, make_folder: Callable[..., Path]
) -> None:
    for note in ("one", "two"):
        folder = read_folder(make_folder(note=note, gate=["accuracy >= 0.5"]))
        await asyncio.to_thread(release_folder, scope, folder)
    await asyncio.to_thread(deploy, scope, "triage", "v1")
    await asyncio.to_thread(deploy, scope, "triage", "v2", percent=99.99)
    await asyncio.to_thread(proving.prove_knob, scope, "triage", "autonomy", "act", reference="v2")
    serving = Serving(scope.store)

    for user in ("ann", "bob", None):
        with pytest.raises(Denied, match=r"Nobody has tested v1 with `autonomy` at `act`"):
            await serving.call(scope, "triage", ask(user, autonomy="act"))
    await serving.close()


async def test_an_experiment_counts_none_of_them_in_either_arm(
    scope: Scope, releases: list[str]
) -> None:
    serving = Serving(scope.store)
    wanted = staged.ExperimentWanted.model_validate({"users": 400})
    await asyncio.to_thread(staged.start_experiment, scope, "triage", wanted)
    kept = [await serving.call(scope, "triage", ask(f"u{n}", autonomy="act")) for n in range(8)]
    await serving.close()

    assert {(one.arm, one.release) for one in kept} == {("live", "v1")}
    figures = await asyncio.to_thread(
        arms.arm_figures, scope, "triage", ["A", "B"], since=BEGUN, by_name=True
    )
    assert figures == []


def test_the_header_says_it_at_both_doors(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    settings = Settings(home=tmp_path / "home", flush_seconds=0.05, otlp_grpc_port=0)
    store = open_line(settings)
    scope = local_scope(store)
    for note in ("one", "two"):
        folder = read_folder(make_folder(note=note, gate=["accuracy >= 0.5"]))
        release_folder(scope, folder)
        if note == "one":
            deploy(scope, "triage", "v1")
            proving.prove_knob(scope, "triage", "autonomy", "act")
    deploy(scope, "triage", "v2", percent=99.99)
    store.close()
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        body = {"input": {"message": "message 1"}, "user": "ann"}
        plain = client.post("/api/usecases/triage/run", json=body)
        body["knobs"] = {"autonomy": "act"}
        turned = client.post("/api/usecases/triage/run", json=body)
        put = client.put(
            "/api/usecases/triage/knobs/autonomy",
            json={"value": "act"},
            headers={"x-lineside-user": "ann"},
        )
        said = client.post(
            "/v1/chat/completions",
            json={"model": "triage", "messages": [{"role": "user", "content": "message 1"}]},
            headers={"x-lineside-user": "ann"},
        )

    assert "x-lineside-kept-live" not in plain.headers
    assert turned.headers["x-lineside-kept-live"] == "autonomy"
    assert put.status_code == 200
    assert (said.headers["x-lineside-kept-live"], said.headers["x-lineside-release"]) == (
        *("autonomy", "v1"),
    )
