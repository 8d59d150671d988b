"""The reference says what the code says, and nothing that exists is missing from it."""

import runpy
from pathlib import Path
from typing import get_args

import click
import pytest

from lineside.core import Settings
from lineside.core.plugins import PluginPoint

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def script() -> dict[str, object]:
    return runpy.run_path(str(ROOT / "scripts" / "reference"))


def test_the_reference_is_what_the_code_says(script) -> None:
    stale = [
        name for name, text in script["pages"]().items() if (REFERENCE / name).read_text() != text
    ]

    assert not stale, "run scripts/reference"


def test_every_command_is_in_the_reference_and_takes_json(script) -> None:
    from lineside.cli.main import root

    page = (REFERENCE / "cli.md").read_text()
    for path, command in script["commands"](root, click.Context(root, info_name="lineside")):
        if not isinstance(command, click.Group):
            assert f"## {path}\n" in page
            assert "--json" in {name for option in command.params for name in option.opts}, path


def test_every_setting_is_in_the_reference() -> None:
    page = (REFERENCE / "settings.md").read_text()

    for name in Settings.__dataclass_fields__:
        assert f"`LINESIDE_{name.upper()}`" in page


def test_every_plugin_point_is_in_the_guide() -> None:
    page = (ROOT / "docs" / "guides" / "extend.md").read_text()

    for point in get_args(PluginPoint):
        assert f"`lineside.{point}`" in page


def test_every_decision_of_the_ledger_is_in_the_guide() -> None:
    page = (ROOT / "docs" / "guides" / "verify-the-ledger.md").read_text()

    for kind in ("release.created", "release.refused", "deploy", "rollback", "key.created"):
        assert f"`{kind}`" in page
