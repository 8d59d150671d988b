from importlib.metadata import EntryPoint

import pytest

from lineside.core import Invalid, plugins


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = {
        "good": EntryPoint("good", "json:dumps", "lineside.scorers"),
        "broken": EntryPoint("broken", "no_such_module:thing", "lineside.scorers"),
    }
    monkeypatch.setattr(plugins, "_installed", lambda _point: offered)


@pytest.mark.usefixtures("installed")
def test_what_a_package_offers_is_found_by_name() -> None:
    assert plugins.plugin_names("scorers") == ["broken", "good"]
    assert plugins.load_plugin("scorers", "good")({}) == "{}"


@pytest.mark.usefixtures("installed")
def test_a_missing_or_broken_plugin_is_named() -> None:
    with pytest.raises(Invalid, match="No plugin `goood`") as missing:
        plugins.load_plugin("scorers", "goood")
    assert missing.value.hint == "Installed: broken, good."
    with pytest.raises(Invalid, match="failed while it was imported"):
        plugins.load_plugin("scorers", "broken")
