"""Datasets that were kept: what is in them, what changed, and how cases come to be.

What fewer callers need has a front door of its own: cases from files of other tools (`importing`,
by their `forms`) and from traces (`from_traces`), cases that are nearly the same (`duplicates`),
and those held out for the last exam (`held_out`).
"""

from lineside.evals.dataset import Case, DatasetVersion
from lineside.evals.datasets import duplicates as duplicates
from lineside.evals.datasets import forms as forms
from lineside.evals.datasets import from_traces as from_traces
from lineside.evals.datasets import held_out as held_out
from lineside.evals.datasets import importing as importing
from lineside.evals.datasets.diff import CaseChange, DatasetDiff, diff_datasets
from lineside.evals.datasets.kept import (
    cases_page,
    find_dataset,
    keep_as,
    kept_cases,
    list_datasets,
)
from lineside.evals.datasets.splits import DatasetMakeup, makeup_of, split_dataset
from lineside.evals.datasets.taught import taught_cases

__all__ = [
    "Case",
    "CaseChange",
    "DatasetDiff",
    "DatasetMakeup",
    "DatasetVersion",
    "cases_page",
    "diff_datasets",
    "find_dataset",
    "keep_as",
    "kept_cases",
    "list_datasets",
    "makeup_of",
    "split_dataset",
    "taught_cases",
]
