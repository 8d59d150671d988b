import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from lineside.core import Invalid
from lineside.evals.dataset import Dataset

Read = Callable[..., Dataset]


def case(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"c{number}",
        "input": {"message": f"message {number}"},
        "expected": {"topic": "refund"},
        **more,
    }


def lines(count: int) -> list[bytes]:
    return [orjson.dumps(case(number)) for number in range(1, count + 1)]


def refusal(read: Read, content: Any, **more: Any) -> str:
    with pytest.raises(Invalid) as caught:
        read(content, **more)
    return caught.value.message


def test_cases_keep_all_that_the_file_says_of_them(read: Read) -> None:
    dataset = read([case(1, slices={"channel": "mail"}, source="trace:7", cluster="talk-1")])

    (only,) = dataset
    assert (only.id, only.input, only.expected) == (
        "c1",
        {"message": "message 1"},
        {"topic": "refund"},
    )
    assert (only.slices, only.source, only.cluster) == ({"channel": "mail"}, "trace:7", "talk-1")
    assert (dataset.name, len(dataset)) == ("golden", 1)


def test_the_same_cases_have_one_digest_as_jsonl_and_as_csv(read: Read) -> None:
    table = (
        "\ufeffid,input.message,input.age,expected.topic,expected.tags,slice.channel,cluster\r\n"
        'c1,"Two\r\nlines, quoted",41,refund,"[""a""]",mail,t1\r\n'
        "c2,Short,,lost_card,,chat,\r\n"
    )
    rows = [
        {
            "id": "c1",
            "input": {"message": "Two\r\nlines, quoted", "age": 41},
            "expected": {"topic": "refund", "tags": ["a"]},
            "slices": {"channel": "mail"},
            "cluster": "t1",
        },
        {
            "slices": {"channel": "chat"},
            "expected": {"topic": "lost_card"},
            "input": {"message": "Short"},
            "id": "c2",
        },
    ]

    assert read(table, name="golden.csv").digest == read(rows).digest


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(read: Read) -> None:
    body = lines(3)
    windows = b"\xef\xbb\xbf" + b"\r\n".join(body) + b"\r\n\r\n"
    assert read(windows).digest == read(b"\n".join(body)).digest


def test_a_broken_line_is_named_and_nothing_is_loaded(read: Read) -> None:
    body = lines(5000)
    body[1731] = b'{"id": "c1732", "input": {"mess'

    text = refusal(read, b"\n".join(body))

    assert text.startswith('`golden.jsonl`, line 1,732 of 5,000: read `{"id": "c1732"')
    assert "expected one JSON object a line" in text


def test_all_problems_are_said_at_once_up_to_twenty(read: Read) -> None:
    text = refusal(read, b"[1]\n" * 30)

    assert "has 30 problems" in text
    assert text.count("line ") >= 20
    assert text.endswith("and 10 more")


def test_duplicate_ids_name_both_lines(read: Read) -> None:
    rows = [case(1), case(2), case(1)]
    assert 'line 3 of 3: id `"c1"` again, first on line 1' in refusal(read, rows)


def test_an_expectation_outside_the_schema_names_the_nearest_word(read: Read) -> None:
    rows = [case(1), case(2, expected={"topic": "card_arival"})]
    text = refusal(read, rows)
    assert 'line 2 of 2: expected: `topic` is `"card_arival"`' in text
    assert "did you mean `card_arrival`?" in text


def test_an_unknown_field_names_the_nearest_one(read: Read) -> None:
    assert "did you mean `topic`?" in refusal(read, [case(1, expected={"topics": "refund"})])
    assert "did you mean `expected`?" in refusal(read, [case(1, expect={})])


def test_an_expectation_may_name_only_some_of_the_fields(read: Read) -> None:
    assert len(read([case(1, expected={"confidence": 1}), case(2, expected={})])) == 2


def test_input_that_does_not_fit_says_what_was_expected(read: Read) -> None:
    assert "input: `message` is missing" in refusal(read, [case(1, input={})])
    assert '`age` is `"old"`, expected integer' in refusal(
        read, [case(1, input={"message": "m", "age": "old"})]
    )
    assert "expected `input`" in refusal(read, [{"id": "c1"}])


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(read: Read, content: bytes) -> None:
    assert "`golden.jsonl` holds no cases" in refusal(read, content)


def test_a_header_without_rows_is_refused(read: Read) -> None:
    assert "holds no cases" in refusal(read, "input.message\n", name="golden.csv")


def test_a_file_over_the_limit_is_refused_before_it_is_read(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "golden.jsonl"
    with path.open("wb") as file:
        file.truncate(200 * 1024 * 1024)

    tracemalloc.start()
    with pytest.raises(Invalid, match=r"200\.0 MB, the limit is 100\.0 MB") as caught:
        read(path, bytes_max=100 * 1024 * 1024)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert "LINESIDE_DATASET_BYTES_MAX" in str(caught.value.hint)
    assert peak < 2_000_000


def test_bytes_that_are_no_text_name_line_and_byte(read: Read) -> None:
    body = [*lines(2), b'{"input": {"message": "caf\xe9"}}']
    assert "line 3 of 3: byte 27 is 0xE9, expected UTF-8" in refusal(read, b"\n".join(body))

    table = b"input.message\nfine\ncaf\xe9\n"
    assert "line 3 of 3: byte 4 is 0xE9" in refusal(read, table, name="golden.csv")


def test_utf_16_is_named(read: Read) -> None:
    content = "input.message\nhello\n".encode("utf-16")
    assert "UTF-16, expected UTF-8" in refusal(read, content, name="golden.csv")


def test_a_csv_column_that_is_not_known_is_named(read: Read) -> None:
    text = refusal(read, "inputs.message,id\nhello,1\n", name="golden.csv")
    assert "line 1 of 2: column `inputs.message` is not known, did you mean `input`?" in text


def test_a_csv_row_with_too_few_cells_is_named(read: Read) -> None:
    text = refusal(read, "id,input.message\n1,hello\n2\n", name="golden.csv")
    assert "line 3 of 3: read 1 cells, the header has 2 columns" in text


def test_a_quotation_mark_left_open_is_named(read: Read) -> None:
    text = refusal(read, 'input.message\n"never closed\nmore\n', name="golden.csv")
    assert "line 2 of 3: not CSV" in text


def test_another_suffix_is_refused(read: Read) -> None:
    assert "expected `.jsonl` or `.csv`" in refusal(read, b"x", name="golden.xlsx")


def test_a_missing_file_is_named(read: Read, tmp_path: Path) -> None:
    assert "`golden.jsonl` cannot be read" in refusal(read, tmp_path / "absent.jsonl")


def test_cases_without_ids_get_the_same_ids_each_time(read: Read) -> None:
    rows = [{"input": {"message": text}} for text in ("a", "b", "a")]

    first, second = ([case.id for case in read(rows)] for _ in range(2))

    assert first == second
    assert len(set(first)) == 3


def test_an_id_may_be_a_number(read: Read) -> None:
    assert [case.id for case in read([case(1, id=0), case(2, id=17)])] == ["0", "17"]
