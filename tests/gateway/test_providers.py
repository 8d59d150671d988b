"""A manifest's `app.model` finds its provider, or says which ones there are."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from lineside.core import Invalid, plugins
from lineside.gateway import provider_for, provider_names


class Echo:
    """What a package of somebody else might offer."""

    def check(self, _setup: Any) -> list[str]:
        return []

    def files(self, _setup: Any) -> list[str]:
        return []

    def fit(self, _setup: Any) -> bytes | None:
        return None

    def open(self, _setup: Any) -> Any:
        return None


class Half:
    """A plugin whose author stopped in the middle."""

    def check(self, _setup: Any) -> list[str]:
        return []


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    offered: dict[str, object] = {}

    def entries(point: str) -> dict[str, EntryPoint]:
        return {name: _entry(name, thing) for name, thing in offered.items()}

    monkeypatch.setattr(plugins, "_installed", entries)
    return offered


def _entry(name: str, thing: object) -> EntryPoint:
    class _Loaded(EntryPoint):
        def load(self) -> object:
            return thing

    return _Loaded(name=name, value=f"package:{name}", group="lineside.models")


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("openai:gpt-4.1-mini", "PromptedProvider"),
        ("anthropic:claude-haiku-4-5", "PromptedProvider"),
        ("gemini:gemini-2.5-flash", "PromptedProvider"),
        ("scripted:answers.jsonl", "ScriptedProvider"),
    ],
)
def test_a_built_in_provider_is_found_by_its_word(spec: str, kind: str) -> None:
    assert type(provider_for(spec)).__name__ == kind


@pytest.mark.parametrize("spec", ["embedded", "", ":gpt", "openai:", "openai: "])
def test_a_name_without_provider_or_model_is_refused_with_the_form(spec: str) -> None:
    with pytest.raises(Invalid, match="Not the name of a model") as caught:
        provider_for(spec)
    assert "embedded:classifier" in str(caught.value.hint)


def test_a_mistyped_provider_is_answered_with_the_nearest_and_all_known() -> None:
    with pytest.raises(Invalid, match="`opnai`") as caught:
        provider_for("opnai:gpt-4.1-mini")
    assert "Did you mean `openai:gpt-4.1-mini`?" in str(caught.value.hint)
    known = "`embedded:`, `openai:`, `anthropic:`, `gemini:`, `gguf:`, `route:`, `scripted:`"
    assert known in str(caught.value.hint)


@pytest.mark.parametrize("offered", [Echo(), Echo], ids=["object", "class"])
def test_a_plugin_serves_under_its_own_word(installed: dict[str, object], offered: object) -> None:
    installed["echo"] = offered
    assert isinstance(provider_for("echo:anything"), Echo)
    assert provider_names()[:2] == ["embedded", "openai"]
    assert provider_names()[-1] == "echo"


def test_a_plugin_cannot_take_the_word_of_a_built_in_provider(installed: dict[str, object]) -> None:
    installed["openai"] = Echo()
    assert not isinstance(provider_for("openai:gpt-4.1-mini"), Echo)
    known = ["embedded", "openai", "anthropic", "gemini", "gguf", "route", "scripted"]
    assert provider_names() == known


def test_half_a_plugin_is_refused_with_what_it_lacks(installed: dict[str, object]) -> None:
    installed["half"] = Half()
    with pytest.raises(Invalid, match="it lacks files, fit, open"):
        provider_for("half:anything")


def test_the_front_door_opens_without_heavy_libraries() -> None:
    script = (
        "import sys, lineside.gateway as g; g.provider_names(); "
        "g.provider_for('openai:x'); "
        "print([m for m in ('aiohttp', 'sklearn', 'wordllama', 'jsonschema') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
