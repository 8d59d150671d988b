from concurrent.futures import ThreadPoolExecutor

import pytest

from lineside.core import Invalid, new_id
from lineside.core.ids import check_id


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = [new_id("run") for _ in range(2000)]

    assert made == sorted(made)
    assert len(set(made)) == 2000


def test_ids_made_by_many_threads_are_all_different() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_id("rel"), range(4000)))

    assert len(set(made)) == 4000


def test_an_id_says_what_it_names() -> None:
    run = new_id("run")

    assert check_id(run, "run") == run
    with pytest.raises(Invalid, match="Not the id of a release: `run_"):
        check_id(run, "rel")
