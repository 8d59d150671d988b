"""The scorers that come with lineside, one file for each family."""

from lineside.evals.scorers.build import BUILT_IN, Declared, build_scorers, files_named

__all__ = ["BUILT_IN", "Declared", "build_scorers", "files_named"]
