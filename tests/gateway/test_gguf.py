"""A model of a file on this machine answers a use case, and says what is wrong with its file."""

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.small_model import ask, setup_of
from gateway.weights import SMALL, with_gguf
from lineside.core import Conflict, Invalid, NotFound
from lineside.gateway import provider_for
from lineside.gateway.gguf import EngineSetup, engine_for, find_weights
from lineside.traces import prices

MODELS = "LINESIDE_MODELS"
SETUP = {"spec": f"gguf:{SMALL}", "prompt": "Name the topic: refund for money, card for cards."}


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder with a file in it that has the head of a model and nothing behind it."""
    monkeypatch.setenv(MODELS, str(tmp_path))
    (tmp_path / "hollow.gguf").write_bytes(b"GGUF" + (3).to_bytes(4, "little") + bytes(64))
    (tmp_path / "pointer.gguf").write_text("version https://git-lfs.github.com/spec/v1")
    return tmp_path


def test_without_the_extra_a_check_says_what_to_install(folder, models, monkeypatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "lineside.gateway.gguf.engine.find_spec",
        lambda name: None if name == "xllamacpp" else found(name),
    )
    setup = setup_of(folder, spec="gguf:hollow.gguf")

    (problem,) = provider_for(setup.spec).check(setup)

    assert "xllamacpp" in problem
    assert "lineside[gguf]" in problem
    with pytest.raises(Invalid, match="xllamacpp"):
        provider_for(setup.spec).open(setup)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("holow.gguf", NotFound, "Did you mean `hollow.gguf`"),
        ("nothing-like-it", NotFound, "LINESIDE_MODELS"),
        ("pointer.gguf", Invalid, "read a file of another kind"),
        ("json/no-such-file.gguf", NotFound, "no model file"),
    ],
)
def test_a_file_that_is_no_model_is_refused_in_words(models, name, kind, words) -> None:
    with pytest.raises(kind) as caught:
        find_weights(name)

    assert words in f"{caught.value.message} {caught.value.hint}"


def test_options_that_it_does_not_take_are_named(folder, models) -> None:
    setup = setup_of(folder, spec="gguf:hollow.gguf", options={"context_token": 9, "threads": 0})

    problems = provider_for(setup.spec).check(setup)

    assert any("did you mean `context_tokens`" in problem for problem in problems)
    assert any("`threads`" in problem for problem in problems)


def test_a_model_of_this_machine_costs_nothing_unless_somebody_sets_a_price() -> None:
    usage = prices.Usage("gguf", "SmolLM2", datetime(2026, 11, 1, tzinfo=UTC), 100, 10)

    assert prices.PriceTable().price(usage) == prices.Priced(0.0, "gguf")
    elsewhere = usage._replace(provider="openai")
    assert isinstance(prices.PriceTable().price(elsewhere), prices.Unpriced)


@with_gguf
def test_a_use_case_is_answered_in_its_form_with_tokens_and_no_cost(folder) -> None:
    setup = setup_of(folder, **SETUP)

    reply = asyncio.run(ask(provider_for(setup.spec).open(setup)))

    assert reply.output["topic"] in ("refund", "card")
    assert isinstance(reply.output["confidence"], int | float)
    assert reply.model == "SmolLM2-135M-Instruct.Q4_1"
    assert (reply.tokens_in or 0) > 20
    assert (reply.tokens_out or 0) > 5
    assert reply.cost_usd == 0.0


@with_gguf
def test_the_same_weights_are_in_memory_once_and_leave_it_with_their_last_user() -> None:
    setup = EngineSetup(find_weights(SMALL), context_tokens=512, threads=1)
    first, second = engine_for(setup), engine_for(setup)
    running = first.start()

    assert second.start() is running
    assert (running.memory_bytes or 0) > 50e6
    first.leave()
    assert running.is_alive
    second.leave()
    assert not running.is_alive


@with_gguf
def test_a_model_whose_process_was_killed_is_loaded_anew(folder) -> None:
    setup = setup_of(folder, **SETUP)
    model = provider_for(setup.spec).open(setup)

    async def twice() -> tuple[Any, Any]:
        first = await model.answer({"message": "Where is my money?"})
        os.kill(_process_of(model).pid, 9)
        _process_of(model).wait(10)
        return first, await ask(model)

    first, second = asyncio.run(twice())

    assert first.output == second.output


@with_gguf
def test_a_broken_file_says_what_its_loader_said(models) -> None:
    engine = engine_for(EngineSetup(models / "hollow.gguf", context_tokens=512, threads=1))

    with pytest.raises(Invalid, match=r"`hollow.gguf` could not be loaded: .*\w"):
        engine.start()
    engine.leave()


@with_gguf
def test_other_weights_under_a_released_name_are_not_served(folder, models) -> None:
    weights = models / "small.gguf"
    shutil.copy(find_weights(SMALL), weights)
    setup = setup_of(folder, **{**SETUP, "spec": "gguf:small.gguf"})
    provider = provider_for(setup.spec)
    released = setup_of(
        folder, **{**SETUP, "spec": "gguf:small.gguf"}, artefact=provider.fit(setup)
    )
    asyncio.run(provider.open(released).close())

    with weights.open("ab") as file:
        file.write(b"more")

    with pytest.raises(Conflict, match="not the model that was released"):
        provider.open(released)


@with_gguf
def test_a_model_ends_with_a_server_that_was_killed() -> None:
    program = (
        "import sys, time\n"
        "from lineside.gateway.gguf import EngineSetup, engine_for, find_weights\n"
        "engine = engine_for(EngineSetup(find_weights(sys.argv[1]), 512, 1))\n"
        "print(engine.start().process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    server = subprocess.Popen([sys.executable, "-c", program, SMALL], stdout=subprocess.PIPE)
    assert server.stdout is not None
    model = psutil.Process(int(server.stdout.readline()))

    server.kill()
    server.wait(10)

    assert psutil.wait_procs([model], timeout=30)[0] == [model]


def _process_of(model: Any) -> Any:
    (engine,) = model._target.upstream._engines.values()
    return engine.running.process
