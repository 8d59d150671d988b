"""Keeps pandas out of processes that did not ask for it."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _NotForUs(MetaPathFinder):
    """Says that there is no pandas, to calls that come from this package alone.

    For each value that we bind, DuckDB asks whether it is one of pandas' two signs for nothing, and
    imports pandas for it: 0.6 s of CPU in every process where it is installed, and two searches of
    all folders for each value where it is not. We bind plain values only. Who calls is looked at
    because scorers and applications in the same process may well use pandas.
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 # the protocol's signature
        target: ModuleType | None = None,  # noqa: ARG002 # the same
    ) -> ModuleSpec | None:
        if fullname != "pandas":
            return None
        caller = sys._getframe(1)
        while caller.f_back and caller.f_globals.get("__name__") == "importlib._bootstrap":
            caller = caller.f_back
        if str(caller.f_globals.get("__name__")).startswith("lineside."):
            raise ModuleNotFoundError("lineside binds no values of pandas", name=fullname)
        return None


def leave_pandas_out() -> None:
    """Have DuckDB, when we call it, not import pandas."""
    if not any(isinstance(finder, _NotForUs) for finder in sys.meta_path):
        sys.meta_path.insert(0, _NotForUs())
