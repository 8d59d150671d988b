"""Judge licences: what an LLM judge must show against people before a gate may lean on it.

A licence is for one judge (its models, prompt, levels and options, as `judge_digest` sums them up),
on one family of datasets, until a day. It ends by itself when any of them changes.
"""

from lineside.evals.licences.bar import Bar
from lineside.evals.licences.labels import LabelColumns, read_label_rows
from lineside.evals.licences.licence import Licence, LicenceReport, get_licence, list_licences
from lineside.evals.licences.measuring import RecordedJudge, licence_judge
from lineside.evals.licences.sample import AnswerToLabel, LabelSample, answers_to_label
from lineside.evals.licences.standing import licensing, standings_of, unlicensed

__all__ = [
    "AnswerToLabel",
    "Bar",
    "LabelColumns",
    "LabelSample",
    "Licence",
    "LicenceReport",
    "RecordedJudge",
    "answers_to_label",
    "get_licence",
    "licence_judge",
    "licensing",
    "list_licences",
    "read_label_rows",
    "standings_of",
    "unlicensed",
]
