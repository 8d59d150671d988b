"""The kinds of scorers: what each takes and how its scores read; the one table of them."""

from typing import NamedTuple

Takes = dict[str, str | tuple[str, ...]]
"""Argument names with the kind of value, or with the words that may be chosen."""


class ScorerKind(NamedTuple):
    """What a manifest may say of one kind of scorer, and how its scores read.

    Attributes:
        unit: `%` for shares from 0 to 1, else what to print behind a number; empty where only
            the scores themselves tell.
        label: What a measure is called in sentences; a share goes by the name of its score.
    """

    takes: Takes
    needs: tuple[str, ...] = ()
    example: str = ""
    unit: str = "%"
    higher_is_better: bool = True
    label: str = ""

    @property
    def is_share(self) -> bool:
        """Whether scores lie between 0 and 1."""
        return self.unit == "%"


TYPES: dict[str, type | tuple[type, ...]] = {
    "a text": str,
    "a number": (int, float),
    "a whole number": int,
    "true or false": bool,
    "a list of texts": list,
    "a list of levels": list,
    "a mapping": dict,
}
UNITS = ("words", "characters", "sentences")
ROUGES = ("rouge1", "rouge2", "rougeL")
ORDERS = ("any_order", "in_order", "exact", "subset", "superset")
ARGUMENTS = ("exact", "listed", "schema", "ignored")

_FIELD: Takes = {"field": "a text"}
_AT_K: Takes = {"field": "a text", "k": "a whole number"}
_JUDGE: Takes = {
    "model": "a text",
    "models": "a list of texts",
    "field": "a text",
    "options": "a mapping",
    "repeats": "a whole number",
    "timeout_s": "a number",
    "usd_max": "a number",
}


def _on_field(kind: str, **traits: object) -> ScorerKind:
    takes = {**_FIELD, **traits.pop("more", {})}  # type: ignore[dict-item]
    return ScorerKind(takes, ("field",), f"{{{kind}: reply}}", **traits)  # type: ignore[arg-type]


def _measure(unit: str, label: str) -> ScorerKind:
    return ScorerKind({}, unit=unit, higher_is_better=False, label=label)


KINDS: dict[str, ScorerKind] = {
    "exact": ScorerKind({"fields": "a list of texts"}),
    "normalised": _on_field("normalised", more={"articles": "true or false"}),
    "contains": _on_field(
        "contains",
        more={
            "text": "a text",
            "texts": "a list of texts",
            "needs": ("all", "any"),
            "ignore_case": "true or false",
        },
    ),
    "regex": ScorerKind(
        {**_FIELD, "pattern": "a text", "ignore_case": "true or false",
         "must_match": "true or false"},
        ("field", "pattern"),
        '{regex: {field: reply, pattern: "[A-Z]{2}[0-9]+"}}',
    ),
    "numeric": ScorerKind(
        {**_FIELD, "absolute": "a number", "relative": "a number"},
        ("field",),
        "{numeric: {field: amount, tolerance: 0.01}}",
    ),
    "field_match": ScorerKind(
        {"fields": "a list of texts", "normalise": "true or false", "relative": "a number"}
    ),
    "set_f1": ScorerKind(_FIELD, ("field",), "{set_f1: labels}"),
    "token_f1": _on_field("token_f1"),
    "edit_similarity": _on_field("edit_similarity", more={"ignore_case": "true or false"}),
    "bleu": _on_field("bleu"),
    "chrf": _on_field("chrf"),
    "rouge": _on_field("rouge", more={"variant": ROUGES}),
    "similarity": _on_field("similarity", more={"by": ("vectors", "grams")}),
    "json_schema": ScorerKind({**_FIELD, "schema": "a mapping"}),
    "schema_share": ScorerKind({"schema": "a mapping"}),
    "length": _on_field(
        "length", more={"unit": UNITS, "at_least": "a whole number", "at_most": "a whole number"}
    ),
    "word_count": _on_field("word_count", unit="words", higher_is_better=False, label="words"),
    "reading_ease": _on_field("reading_ease", unit="Flesch points", label="reading ease"),
    "reading_grade": _on_field(
        "reading_grade", unit="school years", higher_is_better=False, label="reading grade"
    ),
    "lix": _on_field("lix", unit="LIX points", higher_is_better=False, label="LIX"),
    "language": _on_field("language", more={"language": "a text"}),
    "banned_words": ScorerKind(
        {**_FIELD, "words": "a list of texts"},
        ("field", "words"),
        "{banned_words: {field: reply, words: [guarantee, refund]}}",
    ),
    "refusal": _on_field("refusal", more={"wanted": "true or false"}),
    "precision_at_k": ScorerKind(_AT_K),
    "recall_at_k": ScorerKind(_AT_K),
    "reciprocal_rank": ScorerKind(_AT_K),
    "ndcg_at_k": ScorerKind(_AT_K),
    "citation_support": ScorerKind(
        {"citations": "a text", "documents": "a text", "at_least": "a number"}
    ),
    "tool_calls": ScorerKind({"field": "a text", "order": ORDERS, "arguments": ARGUMENTS}),
    "tool_call_f1": ScorerKind({"field": "a text", "arguments": ARGUMENTS}),
    "latency_ms": _measure("ms", "latency"),
    "cost_usd": _measure("USD", "cost"),
    "tokens": _measure("tokens", "tokens"),
    "tokens_in": _measure("tokens", "tokens read"),
    "tokens_out": _measure("tokens", "tokens written"),
    "judge": ScorerKind(
        {**_JUDGE, "rubric": "a text", "levels": "a list of levels"},
        ("rubric", "levels"),
        "{judge: {model: 'openai:gpt-4.1-mini', rubric: Is it polite?, "
        "levels: {rude: insults, polite: thanks}}}",
    ),
    "judge_reference": ScorerKind(
        {**_JUDGE, "rubric": "a text", "levels": "a list of levels"},
        (),
        "{judge_reference: {model: 'openai:gpt-4.1-mini', field: reply}}",
    ),
    "judge_pairwise": ScorerKind(
        {**_JUDGE, "rubric": "a text"},
        ("field",),
        "{judge_pairwise: {model: 'openai:gpt-4.1-mini', field: reply}}",
    ),
    "python": ScorerKind(
        {"function": "a text", "model": "a text"},
        ("function",),
        "{python: scorers/polite.py:score}",
        unit="",
    ),
}  # fmt: skip
JUDGES = frozenset({"judge", "judge_reference", "judge_pairwise"})
