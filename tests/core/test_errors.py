import pickle

from lineside.core import Denied


def test_an_error_keeps_its_parts_across_processes() -> None:
    error = Denied("release_refused", "`v2` was refused", hint="Deploy `v1`")

    again = pickle.loads(pickle.dumps(error))  # noqa: S301 # our own bytes

    assert (type(again), again.code, again.message, again.hint) == (
        Denied,
        "release_refused",
        "`v2` was refused",
        "Deploy `v1`",
    )
