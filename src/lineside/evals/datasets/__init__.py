"""Datasets that were kept: which there are, what changed between two, and files of other tools."""

from lineside.evals.datasets.diff import CaseChange, DatasetDiff, diff_datasets
from lineside.evals.datasets.forms import FORMS, TableColumns
from lineside.evals.datasets.importing import ImportedCases, import_cases
from lineside.evals.datasets.kept import find_dataset, kept_cases, list_datasets

__all__ = [
    "FORMS",
    "CaseChange",
    "DatasetDiff",
    "ImportedCases",
    "TableColumns",
    "diff_datasets",
    "find_dataset",
    "import_cases",
    "kept_cases",
    "list_datasets",
]
