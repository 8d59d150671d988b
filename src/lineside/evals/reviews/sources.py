"""Where the answers come from that people judge: one run, two runs side by side, or traces."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from lineside.core import Invalid, Record
from lineside.evals.result import LIMIT_MAX, Result, results_of
from lineside.evals.reviews.learned import differing_shares
from lineside.evals.reviews.picking import FLOOR, bin_of, doubt, pick
from lineside.evals.run import get_run
from lineside.traces import get_trace, search
from lineside.trust import Scope

CANDIDATES_MAX = 50_000
TRACES_MAX = 5_000

PickedBy = Literal["random", "judge", "verdict"]


class Source(Record):
    """What answers are drawn from: a run, with `against` two runs, or traces.

    Attributes:
        against: A second run over the same cases. A pairwise question shows both answers side by
            side; else it only says where the two differ.
        traces: A line such as `use_case = support and since 7d`.
    """

    run: str | None = None
    against: str | None = None
    traces: str | None = None


class JudgeScore(Record):
    """What a judge said of an answer; its score runs from 0 to 1."""

    value: float | None
    label: str | None = None


class ReviewCandidate(Record):
    """An answer that may be drawn.

    Attributes:
        other: The answer of the second run.
        gap: How far the main scores of the two runs lie apart, where there are two.
    """

    case_id: str
    input: Any = None
    output: Any = None
    other: Any = None
    expected: Any = None
    judge: JudgeScore | None = None
    gap: float | None = None


def candidates_of(
    scope: Scope, source: Source, *, judge: str | None
) -> tuple[str, list[ReviewCandidate]]:
    """The use case, and every answer that may be drawn.

    Raises:
        NotFound: There is no such run.
        Invalid: Nothing was named or found, or no answer has a score of that judge.
    """
    if source.traces is not None and source.run is None:
        return _from_traces(scope, source.traces)
    if source.run is None:
        raise Invalid(
            "no_source",
            "Nothing is named to draw answers from",
            hint="Name a run, or traces by a line such as `use_case = support and since 7d`.",
        )
    run = get_run(scope, source.run)
    answered = {result.case_id: result for result in _answered(scope, run.id)}
    others: dict[str, Result] = {}
    if source.against is not None:
        against = get_run(scope, source.against)
        others = {result.case_id: result for result in _answered(scope, against.id)}
        answered = {case: result for case, result in answered.items() if case in others}
    found = [
        _candidate(result, others.get(case), judge=judge, main=run.main_score)
        for case, result in answered.items()
    ]
    if not found:
        raise Invalid(
            "nothing_to_review",
            f"Run `{run.id}` has no answers that people could judge"
            + (f" beside run `{source.against}`" if source.against else ""),
            hint="`lineside evals show latest` says why cases have none.",
        )
    if judge is not None and all(candidate.judge is None for candidate in found):
        names = ", ".join(f"`{scorer.name}`" for scorer in run.scorers)
        raise Invalid(
            "no_judge_score",
            f"No answer of run `{run.id}` has a score `{judge[:60]}`",
            hint=f"Its scores are: {names}.",
        )
    return run.use_case, found


def drawn(
    scope: Scope,
    use_case: str,
    candidates: Sequence[ReviewCandidate],
    *,
    count: int,
    by: PickedBy,
    judge: str | None,
    seed: int,
) -> list[tuple[ReviewCandidate, float]]:
    """Draw answers, each with the chance it had.

    By `judge`, an answer weighs by how often people differed from the judge where it scored alike
    in earlier reviews of the use case; before there are any, by how unsure the score reads. By
    `verdict`, it weighs by how far the two runs lie apart on it.

    Raises:
        Invalid: `no_judge_named`, or `no_second_run`.
    """
    if by == "judge":
        if judge is None:
            raise Invalid(
                "no_judge_named",
                "Answers are to be drawn where the judge may be wrong, but no judge is named",
                hint="Name the score that it gave, as in `--judge tone`.",
            )
        shares = differing_shares(scope, use_case, judge)
        weights = [FLOOR + _may_differ(candidate, shares) for candidate in candidates]
    elif by == "verdict":
        if all(candidate.gap is None for candidate in candidates):
            raise Invalid(
                "no_second_run",
                "Answers are to be drawn where two runs differ, but there is one run",
                hint="Name the other run with `against`.",
            )
        weights = [FLOOR + (candidate.gap or 0) for candidate in candidates]
    else:
        weights = [1.0] * len(candidates)
    places = pick(weights, count, seed=seed)
    chosen = [(candidates[place], chance) for place, chance in places]
    return [(_whole(scope, candidate), chance) for candidate, chance in chosen]


def _may_differ(candidate: ReviewCandidate, shares: Sequence[float] | None) -> float:
    value = candidate.judge.value if candidate.judge else None
    if shares is None or value is None:
        return doubt(value)
    return shares[bin_of(value)]


def _answered(scope: Scope, run_id: str) -> Iterator[Result]:
    """The first answer to each case; repetitions of it would only be judged again."""
    after, seen = None, set()
    for _ in range(CANDIDATES_MAX // LIMIT_MAX):
        page = results_of(scope, run_id, limit=LIMIT_MAX, after=after)
        for result in page:
            if result.output is not None and result.case_id not in seen:
                seen.add(result.case_id)
                yield result
        if len(page) < LIMIT_MAX:
            return
        after = page[-1].cursor


def _candidate(
    result: Result, other: Result | None, *, judge: str | None, main: str | None
) -> ReviewCandidate:
    score = result.scores.get(judge) if judge else None
    is_scored = score is not None and (score.value is not None or score.label is not None)
    return ReviewCandidate(
        case_id=result.case_id,
        input=result.input,
        output=_blind(result.output),
        other=_blind(other.output) if other else None,
        expected=result.expected,
        judge=JudgeScore(value=score.value, label=score.label) if score and is_scored else None,
        gap=_gap(result, other, judge or main) if other else None,
    )


def _gap(result: Result, other: Result, name: str | None) -> float:
    ours, theirs = (
        side.scores[name].value if name in side.scores else None for side in (result, other)
    )
    return 1.0 if ours is None or theirs is None else min(abs(ours - theirs), 1.0)


def _blind(output: Any) -> Any:
    """An answer without the model's own word on how sure it is, which would sway the rater."""
    if isinstance(output, dict) and len(output) > 1:
        return {name: value for name, value in output.items() if name != "confidence"}
    return output


def _from_traces(scope: Scope, line: str) -> tuple[str, list[ReviewCandidate]]:
    filters = search.parse_query(line)
    if filters.use_case is None:
        raise Invalid(
            "no_use_case_named",
            f"The traces are of no one use case: `{line[:120]}`",
            hint="Begin the line with it, as in `use_case = support and since 7d`.",
        )
    found: list[ReviewCandidate] = []
    before = None
    for _ in range(TRACES_MAX // search.PAGE_TRACES_MAX):
        page = search.list_traces(scope, filters, limit=search.PAGE_TRACES_MAX, before=before)
        found += [ReviewCandidate(case_id=row.trace_id) for row in page.traces if row.output]
        before = page.older
        if before is None:
            break
    if not found:
        raise Invalid(
            "nothing_to_review",
            f"No trace with an answer fits `{line[:120]}`",
            hint="`lineside traces ls` lists what there is.",
        )
    return filters.use_case, found


def _whole(scope: Scope, candidate: ReviewCandidate) -> ReviewCandidate:
    """What went in and came out of a trace, which the list of traces only begins to say."""
    if candidate.output is not None:
        return candidate
    spans = get_trace(scope, candidate.case_id)
    root = next((span for span in spans if not span.parent_span_id), spans[0] if spans else None)
    if root is None:
        return candidate
    return candidate.model_copy(update={"input": root.input, "output": _blind(root.output)})
