"""How a declaration becomes a scorer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from lineside.core import Invalid, did_you_mean, plugins
from lineside.evals.scorer import NamedScorer, Scorer
from lineside.evals.scorers import (
    calls,
    fields,
    judges,
    measures,
    overlap,
    own,
    retrieval,
    safety,
    similarity,
    text,
    writing,
)
from lineside.evals.scorers.own import Files
from lineside.usecases import ScorerDeclaration


class Declared(Protocol):
    """What a manifest says of one scorer; `lineside.usecases.ScorerDeclaration` is one."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def arguments(self) -> Mapping[str, Any]: ...


BUILT_IN: dict[str, Callable[..., Scorer]] = {
    "exact": fields.exact,
    "normalised": text.normalised_match,
    "contains": text.contains,
    "regex": text.regex,
    "numeric": fields.numeric,
    "field_match": fields.field_match,
    "set_f1": fields.set_f1,
    "token_f1": text.token_f1,
    "edit_similarity": text.edit_similarity,
    "bleu": overlap.bleu,
    "chrf": overlap.chrf,
    "rouge": overlap.rouge,
    "similarity": similarity.similarity,
    "json_schema": fields.json_schema,
    "schema_share": fields.schema_share,
    "length": writing.length,
    "word_count": writing.word_count,
    "reading_ease": writing.reading_ease,
    "reading_grade": writing.reading_grade,
    "lix": writing.lix,
    "language": writing.language,
    "banned_words": safety.banned_words,
    "refusal": safety.refusal,
    "precision_at_k": retrieval.precision_at_k,
    "recall_at_k": retrieval.recall_at_k,
    "reciprocal_rank": retrieval.reciprocal_rank,
    "ndcg_at_k": retrieval.ndcg_at_k,
    "citation_support": retrieval.citation_support,
    "tool_calls": calls.tool_calls,
    "tool_call_f1": calls.tool_call_f1,
    "latency_ms": measures.latency_ms,
    "cost_usd": measures.cost_usd,
    "tokens": measures.tokens,
    "tokens_in": measures.tokens_in,
    "tokens_out": measures.tokens_out,
    "judge": judges.judge,
    "judge_reference": judges.judge_reference,
    "judge_pairwise": judges.judge_pairwise,
    "python": own.python,
}
_WITH_FILES = frozenset({"python", *judges.KINDS})


@dataclass(frozen=True)
class _Own:
    name: str
    kind: str
    arguments: Mapping[str, Any]


def build_scorers(declared: Sequence[Declared], *, files: Files) -> list[NamedScorer]:
    """Make the scorers of a run ready.

    Where none is declared, `accuracy` says whether every expected field is exactly right.
    `latency_ms` and `cost_usd` always come along.

    Args:
        files: Content of the files that declarations name, by path; see `files_named`.

    Raises:
        Invalid: An unknown kind or argument, a pattern or file that cannot be used.
    """
    chosen: list[Declared] = list(declared) or [_Own("accuracy", "exact", {})]
    names = {item.name for item in chosen}
    chosen += [_Own(kind, kind, {}) for kind in ("latency_ms", "cost_usd") if kind not in names]
    return [NamedScorer(item.name, _build(item, files)) for item in chosen]


def files_named(item: Declared) -> list[str]:
    """Paths of the files that a scorer reads: one's own function, or what judges answer from."""
    declaration = ScorerDeclaration(item.name, item.kind, item.arguments)
    return [declaration.file] if declaration.file else declaration.model_files


def _build(item: Declared, files: Files) -> Scorer:
    arguments = dict(item.arguments)
    if item.kind not in BUILT_IN:
        return _from_plugin(item, arguments)
    make = BUILT_IN[item.kind]
    known = set(make.__kwdefaults__ or {}) | set(_required(make))
    for key in arguments:
        if key not in known - {"name", "files"}:
            near = did_you_mean(key, known - {"name", "files"})
            raise Invalid(
                "bad_scorer",
                f"Scorer `{item.name}` ({item.kind}) takes no `{key}`",
                hint=f"Did you mean `{near}`?" if near else f"It takes: {_takes(known)}.",
            )
    missing = [key for key in _required(make) if key not in {"name", "files", *arguments}]
    if missing:
        raise Invalid(
            "bad_scorer",
            f"Scorer `{item.name}` ({item.kind}) needs `{'`, `'.join(missing)}`",
            hint=f"It takes: {_takes(known)}.",
        )
    _check_choices(item)
    extra = {"files": files} if item.kind in _WITH_FILES else {}
    return make(name=item.name, **arguments, **extra)


def _check_choices(item: Declared) -> None:
    known = ScorerDeclaration.kind_of(item.kind)
    for word, choices in known.takes.items() if known else ():
        value = item.arguments.get(word)
        if isinstance(choices, tuple) and value is not None and value not in choices:
            near = did_you_mean(str(value), choices)
            raise Invalid(
                "bad_scorer",
                f"Scorer `{item.name}`: `{word}` is `{value}`, expected one of "
                f"{', '.join(choices)}",
                hint=f"Did you mean `{near}`?" if near else "Take one of these.",
            )


def _from_plugin(item: Declared, arguments: dict[str, Any]) -> Scorer:
    if item.kind not in plugins.plugin_names("scorers"):
        known = [*BUILT_IN, *plugins.plugin_names("scorers")]
        near = did_you_mean(item.kind, known)
        raise Invalid(
            "unknown_scorer",
            f"Scorer `{item.name}` is of the unknown kind `{item.kind}`",
            hint=f"Did you mean `{near}`?" if near else f"Known: {', '.join(known)}.",
        )
    plugin = plugins.load_plugin("scorers", item.kind)
    return partial(plugin, **arguments)


def _required(make: Callable[..., Scorer]) -> list[str]:
    code = make.__code__
    names = code.co_varnames[: code.co_kwonlyargcount]
    return [name for name in names if name not in (make.__kwdefaults__ or {})]


def _takes(known: set[str]) -> str:
    return ", ".join(f"`{key}`" for key in sorted(known - {"name", "files"})) or "nothing"
