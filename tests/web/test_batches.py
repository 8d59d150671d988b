"""The pages of batches."""

import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lineside.apps import open_line
from lineside.apps.batches import start_batch, wait_for_batch
from lineside.core import Settings
from lineside.server import build
from lineside.trust import local_scope
from web.small_case import html, settings_for, words


@pytest.fixture
def served(line_home: Path, tmp_path: Path) -> Settings:
    import shutil

    return settings_for(shutil.copytree(line_home, tmp_path / "home"))


def test_the_list_says_what_to_type_where_nothing_was_answered(empty_client: TestClient) -> None:
    shown = html(empty_client, "/batches")

    assert "lineside batch USE_CASE rows.csv" in words(shown)
    assert empty_client.get("/batches/batch_1").status_code == 404


def test_a_batch_shows_progress_cost_failures_and_downloads(
    served: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "letters.csv"
    path.write_text("message\nmessage 1\nmessage 2\na,b\n")
    store = open_line(served)
    scope = local_scope(store)
    batch = wait_for_batch(scope, start_batch(scope, "triage", path))
    store.close()
    with TestClient(build(served), base_url="http://127.0.0.1") as client:
        listed = words(html(client, "/batches"))
        page = html(client, f"/batches/{batch.id}")
        said = words(page)

        assert "letters.csv 3 2 1 $0.00 Done" in listed
        assert "3 of 3 rows" in said
        assert "1 row without an answer" in said
        assert "invalid:cells" in said
        assert "read 2 cells, the header has 1 columns 4" in said
        assert f"/batches/{batch.id}/results.csv" in page
        for form, begins in (("csv", b"message,"), ("jsonl", b"{"), ("parquet", b"PAR1")):
            file = client.get(f"/batches/{batch.id}/results.{form}")
            assert file.content.startswith(begins)
        assert client.get(f"/batches/{batch.id}/results.xlsx").status_code == 422
        refused = client.post(f"/batches/{batch.id}/cancel")
        assert (refused.status_code, "not under way" in refused.text) == (409, True)
        asked = client.post(f"/batches/{batch.id}/resume", data={"failed": "true"})
        assert asked.status_code == 200
        until = time.monotonic() + 30
        while "Running" in client.get(f"/batches/{batch.id}").text and time.monotonic() < until:
            time.sleep(0.1)
        assert "3 of 3 rows" in words(html(client, f"/batches/{batch.id}"))
