"""Signals that a text speaks to the model and not to the app: injections and jailbreaks.

Rules, not proof. They see what is common and written openly; whoever wants to pass them can. What
holds is what a model may not do whatever it is told, so by default this guard only warns.
"""

from lineside.guardrails.guard import Caught, Passage
from lineside.traces import privacy

WINDOW_CHARACTERS = 240

_BEFORE = r"(?:previous|prior|preceding|above|earlier|existing|original|initial|system|former)"
_RULES = (
    r"(?:instructions?|prompts?|rules?|directions?|guidelines?|commands?|messages?|context|"
    r"programming|training|polic(?:y|ies)|restrictions?|constraints?|safeguards?|filters?)"
)
_UNBOUND = (
    r"(?:unrestricted|unfiltered|uncensored|unlimited|amoral|jailbroken|unethical|unshackled)"
)

_FILLER = r"\W{1,3}(?:\w+\W{1,3})"
_SIGNALS: dict[str, tuple[float, str]] = {}
_SIGNALS["override"] = (
    0.8,
    (
        r"(?i)\b(?:ignore|disregard|forget|bypass|override|overlook|skip|drop|discard|do not follow"
        rf"|stop following|don't follow|pay no attention to){_FILLER}{{0,4}}?"
        rf"(?:(?:{_BEFORE}|your|all|any|these|those){_FILLER}{{0,3}}?{_RULES}"
        rf"|(?:everything|anything|all){_FILLER}{{0,2}}?(?:above|before|said|told))"
    ),
)
_SIGNALS["override_elsewhere"] = (
    0.8,
    (
        rf"(?i)\b(?:ignorier\w*|vergiss|missachte){_FILLER}{{0,4}}?(?:anweisung|regel|vorgabe)\w*"
        rf"|\b(?:ignore[zr]?|oublie[zr]?){_FILLER}{{0,4}}?(?:consignes|instructions|règles)"
        rf"|\b(?:ignora|olvida|ignore){_FILLER}{{0,4}}?(?:instrucciones|reglas|instruções)"
    ),
)
_SIGNALS["new_orders"] = (
    0.5,
    (
        r"(?i)\b(?:new|updated|revised|real|actual|important)\W{1,3}(?:system\W{1,3})?"
        r"(?:instructions?|orders|task|objective|prompt)\W{0,2}[:\n]"
        rf"|\b(?:from now on|henceforth|starting now){_FILLER}{{0,3}}?you\b"
        r"|<(?:important|information|system)>"
    ),
)
_SIGNALS["other_self"] = (
    0.6,
    (
        rf"(?i)\byou(?:'re| are| will be| shall be| act as){_FILLER}{{0,6}}?{_UNBOUND}\b"
        r"|\b(?:act|behave|respond|answer|pretend|roleplay|role-play|speak)"
        rf"{_FILLER}{{0,8}}?{_UNBOUND}\b"
        r"|\bdo anything now\b|\bD\.?A\.?N\.? mode"
        r"|\b(?:developer|debug|god|sudo|admin|jailbreak)\W{1,3}mode\b"
    ),
)
_SIGNALS["no_limits"] = (
    0.6,
    (
        r"(?i)\b(?:without|no|free from|free of|not bound by|ignores?|bypass\w*|any|remove[sd]?)"
        rf"{_FILLER}{{0,4}}?(?:ethical|moral|content|safety|openai'?s?|legal|usage)"
        rf"{_FILLER}{{0,4}}?(?:guidelines?|filters?|restrictions?|limits?|limitations?|polic\w+"
        r"|constraints?|standards?|rules?|boundaries|concerns?|principles?)"
        rf"|\b(?:never|cannot|can't|can not|not){_FILLER}{{0,2}}?"
        r"(?:refuse|decline|reject|say no|apologi[sz]e)\b"
        rf"|\b(?:stay|remain|break|breaking){_FILLER}{{0,3}}?character\b"
    ),
)
_SIGNALS["leak"] = (
    0.6,
    (
        r"(?i)\b(?:reveal|show|print|repeat|output|display|tell me|give me|leak|dump|write out"
        rf"|what (?:is|are|was|were)){_FILLER}{{0,5}}?"
        r"(?:(?:system|hidden|initial|secret|original|developer)"
        r"\W{1,3}(?:prompt|instructions?|message|rules)|your (?:prompt|instructions))"
    ),
)
_SIGNALS["forged_turn"] = (
    0.7,
    (
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext)[^>]{0,20}\|?>"
        r"|\[/?INST\]|<</?SYS>>"
        r"|(?im:^\s{0,4}#{2,4}\s{0,3}(?:system|instruction|assistant|human)\s{0,3}:?\s{0,3}$)"
        r"|(?m:^(?:SYSTEM|System)\s{0,2}(?:message|prompt|override)?\s{0,2}:)"
    ),
)
_SIGNALS["carry_out"] = (
    0.6,
    (
        r"(?i)!\[[^\]]{0,80}\]\(https?://[^)\s]{1,200}[?&][^)\s]{0,80}=\s{0,2}[{<\[]"
        r"|\b(?:decode|decrypt|rot13|base64)\b.{0,60}\b(?:and|then)\b.{0,20}"
        r"\b(?:follow|execute|obey|do what|answer|comply)"
    ),
)
_SIGNALS["hidden"] = (
    0.7,
    "[\U000e0000-\U000e007f]{3,}|[\u200b\u2060\u2063\ufeff]{4,}|[\u202a-\u202e]{2,}",
)
"""Signal to how sure it is, 0 to 1, and what it looks like."""

_FINDERS = {
    name: (weight, privacy.finder_of(pattern, length_max=4_000))
    for name, (weight, pattern) in _SIGNALS.items()
}

LIMIT = 0.5


def no_injection(passage: Passage) -> Caught | None:
    """Catches texts that carry signals; the score is 0 to 1 and grows with each kind of signal."""
    doubt, kinds = 1.0, {}
    stretches: list[tuple[int, int]] = []
    for name, (weight, find) in _FINDERS.items():
        found = list(find(passage.text))
        if found:
            doubt *= 1 - weight
            kinds[name] = len(found)
            stretches += found
    if not kinds:
        return None
    return Caught(
        f"it speaks to the model: {', '.join(kinds)}",
        score=1 - doubt,
        kinds=kinds,
        stretches=tuple(sorted(stretches)),
    )
