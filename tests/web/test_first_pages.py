"""What a person sees before there is much to see."""

from pathlib import Path

from starlette.testclient import TestClient

from lineside.apps import open_line, release_folder
from lineside.core import Settings
from lineside.server import build
from lineside.trust import local_scope
from lineside.usecases import read_folder
from web.small_case import html, words, write_folder


def test_an_empty_house_says_what_to_do_next(empty_client: TestClient) -> None:
    home = words(html(empty_client, "/"))

    assert "Nothing on the line yet" in home
    assert "lineside init my-case" in home
    for path in ("/runs", "/releases", "/calls", "/ledger"):
        assert "<main" in html(empty_client, path)


def test_nothing_live_says_how_to_get_there(settings: Settings, tmp_path: Path) -> None:
    store = open_line(settings)
    folder = write_folder(tmp_path / "folder", wrong=60)
    release_folder(local_scope(store), read_folder(folder))
    store.close()
    with TestClient(build(settings)) as client:
        assert "lineside deploy triage" in words(html(client, "/usecases/triage"))
        assert "Nothing of triage is live" in words(html(client, "/usecases/triage/try", 404))
