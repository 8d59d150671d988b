from pathlib import Path

import pytest

from lineside.core import Invalid, Settings


def test_settings_come_from_the_environment_and_keep_their_kind() -> None:
    settings = Settings.from_environment(
        {"LINESIDE_HOME": "/srv/line", "LINESIDE_PORT": "8000", "LINESIDE_FLUSH_SECONDS": "0.5"}
    )

    assert (settings.home, settings.port) == (Path("/srv/line"), 8000)
    assert settings.flush_seconds == 0.5
    assert settings.host == "127.0.0.1"


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_environment({"LINESIDE_PORT": ""}).port == 7710


def test_a_setting_of_the_wrong_kind_is_named() -> None:
    with pytest.raises(Invalid, match="LINESIDE_PORT is `many`, expected a number"):
        Settings.from_environment({"LINESIDE_PORT": "many"})
