"""What goes wrong in a run: failures in themes with quotes, and slices that fare worse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import orjson

from lineside.core import Record
from lineside.evals.result import LIMIT_MAX, Result, results_of
from lineside.evals.run import get_run
from lineside.evals.verdicts.failing import FailingSlice, count_answers
from lineside.evals.verdicts.mistakes import repeated_mistakes
from lineside.evals.verdicts.wordspace import Space, groups_of, space_of
from lineside.stats import np, wording
from lineside.trust import Scope

THEMES_MAX = 8
_QUOTES_MAX = 3
_WORDS_SHOWN = 4
_TEXT_CHARACTERS_MAX = 2_000


class FailureQuote(Record):
    """One case in its own words."""

    case_id: str
    input: str
    expected: str
    answered: str


class Theme(Record):
    """Failures that are alike.

    Attributes:
        kind: `no_answer` for one error code, `wrong` for answers over similar inputs, `mistake` for
            one wrong value in the place of another; what is in none of them is `other`.
        name: The error code, the words that set its inputs apart from all others, or the mistake.
        cases: Failures in it; of all but `no_answer` those among the results that were read.
        alike: Cases with similar inputs or that ask for the same value, right ones too; of
            `no_answer` the same as `cases`. None where the run is too large to read what came out
            right, and of `other`.
        quotes: The most typical ones first.
    """

    kind: Literal["no_answer", "wrong", "mistake", "other"]
    name: str
    cases: int
    alike: int | None
    quotes: list[FailureQuote]

    @property
    def how_many(self) -> str:
        """Its size in words, such as `4 of 24 that ask for it, 16.7 %`."""
        if self.kind == "no_answer":
            return f"{self.cases:,}, no answer"
        if self.alike is None:
            return f"{self.cases:,}"
        of = "that ask for it" if self.kind == "mistake" else "with such inputs"
        return (
            f"{self.cases:,} of {self.alike:,} {of}, {wording.show(self.cases / self.alike, '%')}"
        )


class ErrorAnalysis(Record):
    """Where a run goes wrong.

    Attributes:
        cases: All answers of the run.
        failed: Those that are wrong or have no answer.
        read: Results that themes and quotes are made of, failures first; at most 10,000.
        slices: Over all answers; the surest first.
    """

    run_id: str
    cases: int
    failed: int
    read: int
    themes: list[Theme]
    slices: list[FailingSlice]


def analyse_errors(scope: Scope, run_id: str) -> ErrorAnalysis:
    """Group what failed in a run into themes, and find the slices in which more fails.

    Slices are counted over all answers. Inputs are compared by their words alone (see `space_of`),
    in as many groups as come out alike again and again (see `groups_of`), so that nothing leaves
    the machine and the same run gives the same themes. Where no groups do, as with few failures,
    those are put together that gave the same wrong value for the same right one.

    Raises:
        NotFound: The workspace has no such run.
    """
    run = get_run(scope, run_id)
    counted = count_answers(scope.store, run.id)
    results = results_of(scope, run.id, limit=LIMIT_MAX)
    wrong = [result for result in results if result.standing == "wrong"]
    unanswered = [result for result in results if result.standing == "failed"]
    # Failures are read first: of a larger run, what is alike but right would be missing.
    is_whole = len(results) == counted.cases
    themes = [*_unanswered(unanswered, counted.codes), *_wrong(wrong, results, is_whole=is_whole)]
    return ErrorAnalysis(
        run_id=run.id,
        cases=counted.cases,
        failed=counted.failed,
        read=len(results),
        themes=sorted(themes, key=lambda theme: (theme.kind == "other", -theme.cases)),
        slices=counted.slices,
    )


def _unanswered(results: Sequence[Result], codes: Counter[str]) -> Iterator[Theme]:
    for code, count in codes.most_common(THEMES_MAX):
        alike = [result for result in results if (result.error_code or "scorer failed") == code]
        quotes = [_quote(result) for result in alike[:_QUOTES_MAX]]
        yield Theme(kind="no_answer", name=code, cases=count, alike=count, quotes=quotes)


def _wrong(wrong: Sequence[Result], results: Sequence[Result], *, is_whole: bool) -> list[Theme]:
    if not wrong:
        return []
    space = space_of([_words(result) for result in results])
    rows = [at for at, result in enumerate(results) if result.standing == "wrong"]
    groups = None if space is None else groups_of(space.points[rows])
    if space is None or groups is None:
        return list(_by_mistake(wrong, results, is_whole=is_whole))
    nearest = np.argmax(space.points @ groups.centres.T, axis=1)
    themes = []
    for group in range(len(groups.centres)):
        inside = [row for row, of in zip(rows, groups.labels, strict=True) if of == group]
        if not inside:
            continue
        closeness = space.points[inside] @ groups.centres[group]
        typical = [inside[at] for at in np.argsort(-closeness)[:_QUOTES_MAX]]
        themes.append(
            Theme(
                kind="wrong",
                name=_name(space, inside),
                cases=len(inside),
                alike=max(len(inside), int((nearest == group).sum())) if is_whole else None,
                quotes=[_quote(results[at]) for at in typical],
            )
        )
    return themes


def _by_mistake(
    wrong: Sequence[Result], results: Sequence[Result], *, is_whole: bool
) -> Iterator[Theme]:
    mistakes = repeated_mistakes(wrong, results)
    for found in mistakes:
        yield Theme(
            kind="mistake",
            name=found.name,
            cases=len(found.results),
            alike=found.asked if is_whole else None,
            quotes=[_quote(result) for result in found.results[:_QUOTES_MAX]],
        )
    told = {id(result) for found in mistakes for result in found.results}
    if rest := [result for result in wrong if id(result) not in told]:
        quotes = [_quote(result) for result in rest[:_QUOTES_MAX]]
        name = "other wrong answers" if mistakes else "wrong answers"
        yield Theme(kind="other", name=name, cases=len(rest), alike=None, quotes=quotes)


def _name(space: Space, inside: Sequence[int]) -> str:
    """The words that weigh more in these inputs than in all."""
    here = np.asarray(space.weights[list(inside)].mean(axis=0)).ravel()
    away = here - np.asarray(space.weights.mean(axis=0)).ravel()
    # Of words that weigh alike the longer one says more.
    order = sorted(
        np.flatnonzero(away > 0), key=lambda at: (-away[at].round(2), -len(space.words[at]))
    )
    words = [space.words[at] for at in order[:_WORDS_SHOWN]]
    return ", ".join(words) or "wrong answers"


def _words(result: Result) -> str:
    texts = [value for value in result.input.values() if isinstance(value, str)]
    return " ".join(texts)[:_TEXT_CHARACTERS_MAX] or _line(result.input)


def _quote(result: Result) -> FailureQuote:
    answered = result.error_message or "no answer"
    if result.output is not None:
        asked = {name: result.output.get(name) for name in result.expected}
        answered = _line(asked or result.output)
    return FailureQuote(
        case_id=result.case_id,
        input=_words(result),
        expected=_line(result.expected),
        answered=answered[:_TEXT_CHARACTERS_MAX],
    )


def _line(value: Any) -> str:
    """A lone field by its value alone, several with their names."""
    if isinstance(value, dict) and value:
        texts = [_one(item) for item in value.values()]
        if len(value) > 1:
            texts = [f"{name}: {text}" for name, text in zip(value, texts, strict=True)]
        return " · ".join(texts)[:_TEXT_CHARACTERS_MAX]
    return _one(value)[:_TEXT_CHARACTERS_MAX]


def _one(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
