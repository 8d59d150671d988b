"""What goes wrong in a run: failures in themes with quotes, and slices that fare worse."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import orjson

from lineside.core import Record
from lineside.evals.result import LIMIT_MAX, Result, results_of
from lineside.evals.run import get_run
from lineside.evals.verdicts.slices import CASES_MIN, SLICES_MAX, codes_of, p_unlike_rest
from lineside.stats import multiplicity
from lineside.trust import Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

THEMES_MAX = 8
_QUOTES_MAX = 3
_WORDS_SHOWN = 4
_CASES_PER_THEME = 4
_DIMENSIONS = 40
_SILHOUETTE_CASES = 1_000
_TEXT_CHARACTERS_MAX = 2_000
_VALUE_CHARACTERS_MAX = 60
_WORD = r"(?u)\b[^\W\d_]{3,}\b"


class FailureQuote(Record):
    """One case in its own words."""

    case_id: str
    input: str
    expected: str
    answered: str


class Theme(Record):
    """Failures that are alike.

    Attributes:
        kind: `no_answer` for one error code, `wrong` for answers over similar inputs.
        name: The error code, or the words that set its inputs apart from all others.
        cases: Failures in it.
        alike: Cases with similar inputs, right ones too; of `no_answer` the same as `cases`.
        quotes: The most typical ones first.
    """

    kind: Literal["no_answer", "wrong"]
    name: str
    cases: int
    alike: int
    quotes: list[FailureQuote]


class FailingSlice(Record):
    """A slice and how often its cases fail, against all others.

    Attributes:
        slice: A slice of the dataset, `expected <field>`, or `input length`.
        p_adjusted: Against "it fails as often as the rest", corrected for all that were looked at.
        is_clear: Whether that cannot be luck.
    """

    slice: str
    value: str
    cases: int
    failed: int
    share: float
    share_elsewhere: float
    p_adjusted: float
    is_clear: bool


class ErrorAnalysis(Record):
    """Where a run goes wrong.

    Attributes:
        cases: Results that were looked at, failures first; at most 10,000.
        failed: Those that are wrong or have no answer.
        slices: The surest first.
    """

    run_id: str
    cases: int
    failed: int
    themes: list[Theme]
    slices: list[FailingSlice]


def analyse_errors(scope: Scope, run_id: str) -> ErrorAnalysis:
    """Group what failed in a run into themes, and find the slices in which more fails.

    Inputs are compared by their words alone (TF-IDF, then k-means with the number of groups that
    separates best), so that nothing leaves the machine and the same run gives the same themes.

    Raises:
        NotFound: The workspace has no such run.
    """
    run = get_run(scope, run_id)
    results = results_of(scope, run.id, limit=LIMIT_MAX)
    wrong = [result for result in results if result.standing == "wrong"]
    unanswered = [result for result in results if result.standing == "failed"]
    themes = [*_unanswered(unanswered), *_wrong(wrong, results)]
    return ErrorAnalysis(
        run_id=run.id,
        cases=len(results),
        failed=len(wrong) + len(unanswered),
        themes=sorted(themes, key=lambda theme: -theme.cases),
        slices=_failing_slices(results),
    )


def _unanswered(results: Sequence[Result]) -> Iterator[Theme]:
    codes = Counter(result.error_code or "scorer failed" for result in results)
    for code, count in codes.most_common(THEMES_MAX):
        alike = [result for result in results if (result.error_code or "scorer failed") == code]
        quotes = [_quote(result) for result in alike[:_QUOTES_MAX]]
        yield Theme(kind="no_answer", name=code, cases=count, alike=count, quotes=quotes)


def _wrong(wrong: Sequence[Result], results: Sequence[Result]) -> list[Theme]:
    if not wrong:
        return []
    space = _space([_words(result) for result in results])
    rows = [at for at, result in enumerate(results) if result.standing == "wrong"]
    groups = None if space is None else _groups(space.points[rows])
    if space is None or groups is None:
        quotes = [_quote(result) for result in wrong[:_QUOTES_MAX]]
        name = "wrong answers"
        return [Theme(kind="wrong", name=name, cases=len(wrong), alike=len(results), quotes=quotes)]
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
                alike=max(len(inside), int((nearest == group).sum())),
                quotes=[_quote(results[at]) for at in typical],
            )
        )
    return themes


class _Space(NamedTuple):
    """All inputs as points of length 1, and the weight of each word in each."""

    points: "NDArray[np.float64]"
    weights: Any
    words: "NDArray[np.str_]"


class _Groups(NamedTuple):
    centres: "NDArray[np.float64]"
    labels: "NDArray[np.int64]"


def _space(texts: Sequence[str]) -> _Space | None:
    """Nothing where the texts hold too few words that some have and others have not."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    reader = TfidfVectorizer(
        token_pattern=_WORD, min_df=2, max_df=0.5, max_features=5_000, sublinear_tf=True
    )
    try:
        weights = reader.fit_transform(texts)
    except ValueError:
        return None
    dimensions = min(_DIMENSIONS, weights.shape[1] - 1, weights.shape[0] - 1)
    if dimensions < 2:
        return None
    points = normalize(TruncatedSVD(dimensions, random_state=0).fit_transform(weights))
    return _Space(points, weights, reader.get_feature_names_out())


def _groups(points: "NDArray[np.float64]") -> _Groups | None:
    """The number of groups that separates best; nothing where there are too few points."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    different = len(np.unique(points.round(6), axis=0))
    most = min(THEMES_MAX, len(points) // _CASES_PER_THEME, different - 1)
    best, best_score = None, -1.0
    for count in range(2, most + 1):
        fitted = KMeans(count, n_init=3, random_state=0).fit(points)
        size = min(_SILHOUETTE_CASES, len(points))
        if len(set(fitted.labels_)) < 2:
            continue
        score = silhouette_score(points, fitted.labels_, sample_size=size, random_state=0)
        if score > best_score:
            best, best_score = fitted, score
    if best is None:
        return None
    lengths = np.linalg.norm(best.cluster_centers_, axis=1, keepdims=True)
    return _Groups(best.cluster_centers_ / np.maximum(lengths, 1e-12), best.labels_)


def _name(space: _Space, inside: Sequence[int]) -> str:
    """The words that weigh more in these inputs than in all."""
    here = np.asarray(space.weights[list(inside)].mean(axis=0)).ravel()
    away = here - np.asarray(space.weights.mean(axis=0)).ravel()
    # Of words that weigh alike the longer one says more.
    order = sorted(
        np.flatnonzero(away > 0), key=lambda at: (-away[at].round(2), -len(space.words[at]))
    )
    words = [space.words[at] for at in order[:_WORDS_SHOWN]]
    return ", ".join(words) or "wrong answers"


def _failing_slices(results: Sequence[Result]) -> list[FailingSlice]:
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, result in enumerate(results):
        for key in (*result.slices.items(), *_expected(result)):
            members[key].append(at)
    for name, rows in _by_length(results).items():
        members["input length", name] = rows
    large = [key for key, rows in members.items() if len(rows) >= CASES_MIN]
    kept = sorted(large, key=lambda key: -len(members[key]))[:SLICES_MAX]
    failed = np.array([result.standing != "fine" for result in results], dtype=float)
    codes = codes_of([result.cluster or f"i:{result.case_id}" for result in results])
    p_values = [p_unlike_rest(failed, np.array(members[key]), codes) for key in kept]
    corrected = multiplicity.benjamini_yekutieli(p_values)
    found = [
        _failing_slice(key, members[key], failed, p_adjusted)
        for key, p_adjusted in zip(kept, corrected, strict=True)
    ]
    return sorted(found, key=lambda one: (one.p_adjusted, -one.share, one.slice, one.value))


def _failing_slice(
    key: tuple[str, str], rows: list[int], failed: "NDArray[np.float64]", p_adjusted: float
) -> FailingSlice:
    inside = float(failed[rows].sum())
    outside = max(1, len(failed) - len(rows))
    share, elsewhere = inside / len(rows), (float(failed.sum()) - inside) / outside
    return FailingSlice(
        slice=key[0],
        value=key[1],
        cases=len(rows),
        failed=int(inside),
        share=share,
        share_elsewhere=elsewhere,
        p_adjusted=p_adjusted,
        is_clear=p_adjusted < 0.05,
    )


def _expected(result: Result) -> Iterator[tuple[str, str]]:
    for name, value in result.expected.items():
        if isinstance(value, bool | str) and len(str(value)) <= _VALUE_CHARACTERS_MAX:
            yield f"expected {name}", str(value)


def _by_length(results: Sequence[Result]) -> dict[str, list[int]]:
    """Inputs in three parts by their length, as far as lengths differ."""
    lengths = np.array([len(_words(result)) for result in results])
    if len(lengths) < 3 * CASES_MIN:
        return {}
    low, high = np.quantile(lengths, (1 / 3, 2 / 3))
    if not low < high:
        return {}
    parts = {
        f"up to {low:.0f} characters": lengths <= low,
        f"{low:.0f} to {high:.0f} characters": (lengths > low) & (lengths <= high),
        f"over {high:.0f} characters": lengths > high,
    }
    return {name: np.flatnonzero(chosen).tolist() for name, chosen in parts.items()}


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
