"""What was sent, read back as a table: from a running server, and from the state folder."""

import uuid
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import lineside
from lineside.core import Invalid, Unavailable
from sdk.conftest import Run, Server

SEND = """
import lineside
lineside.init(use_case="triage")
for number in range(3):
    with lineside.context(user=f"u{number}", session="SESSION", tenant="acme"):
        with lineside.step("answer", kind="model") as step:
            step.input = {"question": number}
            step.set(model="m-1", tokens_in=10 + number, cost_usd=0.5)
            with lineside.step("inner"):
                pass
"""


@pytest.fixture
def session(run: Run, server: Server) -> str:
    """Session of three traces of two steps each."""
    name = uuid.uuid4().hex
    run(SEND.replace("SESSION", name), LINESIDE_ENDPOINT=server.url)
    return name


def test_steps_are_rows_whose_columns_have_the_same_types_always(
    session: str, server: Server
) -> None:
    table = lineside.traces(f"session = {session}", endpoint=server.url)
    nothing = lineside.traces("session = nobody", endpoint=server.url)

    assert table.num_rows == 6
    assert table.schema == nothing.schema
    assert table.schema.field("started_at").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("tokens_in").type == pa.int64()
    assert table.schema.field("input").type == pa.string()
    assert set(table["use_case"].to_pylist()) == {"triage"}
    found = duckdb.sql(
        "SELECT sum(tokens_in), sum(cost_usd), max((input->>'question')::INT),"
        " count(DISTINCT user_id), min(raw->'attributes'->>'tenant')"
        " FROM table_of_steps WHERE kind = 'model'",
        connection=duckdb.connect().register("table_of_steps", table),
    ).fetchone()
    assert found == (33, 1.5, 2, 3, "acme")


def test_traces_are_rows_and_only_what_is_asked_for_comes(session: str, server: Server) -> None:
    query = f"session = {session}"

    table = lineside.traces(query, level="trace", since="1h", endpoint=server.url)
    two = lineside.traces(query, limit=2, columns=["name", "trace_id"], endpoint=server.url)
    none = lineside.traces(query, use_case="other", endpoint=server.url)

    assert table["steps"].to_pylist() == [2, 2, 2]
    assert table["models"].to_pylist() == [["m-1"]] * 3
    frame = table.to_pandas()
    assert str(frame["started_at"].dtype).endswith("UTC]")
    assert frame["started_at"].is_monotonic_decreasing
    assert (two.column_names, two.num_rows) == (["name", "trace_id"], 2)
    assert none.num_rows == 0


def test_without_a_server_the_state_folder_is_read(
    session: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINESIDE_HOME", str(server.home))
    monkeypatch.setenv("LINESIDE_PORT", "9")

    from_folder = lineside.traces(f"session = {session}")

    assert from_folder.equals(lineside.traces(f"session = {session}", endpoint=server.url))


def test_what_stands_in_the_way_is_said(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LINESIDE_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("LINESIDE_PORT", "9")

    with pytest.raises(Invalid) as misspelt:
        lineside.traces(columns=["tokens"], endpoint=server.url)
    with pytest.raises(Invalid) as unread:
        lineside.traces("latncy_ms > 1", endpoint=server.url)
    with pytest.raises(Unavailable) as nobody:
        lineside.traces()

    assert misspelt.value.hint == "Did you mean `tokens_in`?"
    assert unread.value.hint == "Did you mean `latency_ms`?"
    assert nobody.value.code == "server_unreachable"


def test_without_pyarrow_the_error_says_what_to_install(run: Run, server: Server) -> None:
    code = """
    import sys
    sys.modules["pyarrow"] = None
    import lineside
    try:
        lineside.traces()
    except Exception as error:
        print(error.code, error.hint)
    """
    (line,) = run(code, LINESIDE_ENDPOINT=server.url).lines

    assert line.startswith("arrow_missing Install `lineside[dataframes]`")
