"""Datasets that were kept: what is in them, what changed, and how cases come to be.

Cases come from files of other tools and from traces; they are divided into splits, looked through
for duplicates, and held out for the last exam.
"""

from lineside.evals.dataset import Case, DatasetVersion
from lineside.evals.datasets.diff import CaseChange, DatasetDiff, diff_datasets
from lineside.evals.datasets.duplicates import (
    DuplicateGroup,
    Duplicates,
    duplicates_among,
    find_duplicates,
)
from lineside.evals.datasets.forms import FORMS, TableColumns
from lineside.evals.datasets.from_traces import FROM_TRACES, TracesAdded, add_traces
from lineside.evals.datasets.held_out import HeldOutPart, held_out_parts, hold_out, unlock
from lineside.evals.datasets.importing import ImportedCases, import_cases
from lineside.evals.datasets.kept import (
    cases_page,
    find_dataset,
    keep_as,
    kept_cases,
    list_datasets,
)
from lineside.evals.datasets.splits import DatasetMakeup, makeup_of, split_dataset

__all__ = [
    "FORMS",
    "FROM_TRACES",
    "Case",
    "CaseChange",
    "DatasetDiff",
    "DatasetMakeup",
    "DatasetVersion",
    "DuplicateGroup",
    "Duplicates",
    "HeldOutPart",
    "ImportedCases",
    "TableColumns",
    "TracesAdded",
    "add_traces",
    "cases_page",
    "diff_datasets",
    "duplicates_among",
    "find_dataset",
    "find_duplicates",
    "held_out_parts",
    "hold_out",
    "import_cases",
    "keep_as",
    "kept_cases",
    "list_datasets",
    "makeup_of",
    "split_dataset",
    "unlock",
]
