"""What says who somebody is, and what opens doors: masked, or held back."""

from collections import Counter
from collections.abc import Callable, Iterable

from lineside.core import Invalid, did_you_mean
from lineside.guardrails.guard import Caught, Passage
from lineside.traces import privacy

PERSONAL_KINDS = ("iban", "card", "national_id", "email", "ip", "phone")
SECRET_KINDS = ("api_key", "secret")

WINDOW_CHARACTERS = 64
"""The longest thing that is written with blanks in it: an account number, a phone number."""

Located = list[tuple[int, int, str]]


def mask_pii(
    *, kinds: Iterable[str] = PERSONAL_KINDS, reversible: bool = True
) -> Callable[[Passage], Caught | None]:
    """Puts marks in the place of what says who somebody is.

    Args:
        kinds: Patterns that come with lineside, by name.
        reversible: The caller sees his own words again in the answer; the model never does.
    """
    wanted = _known("mask_pii", kinds, (*PERSONAL_KINDS, *SECRET_KINDS))

    def check(passage: Passage) -> Caught | None:
        found = privacy.found_in(passage.text, wanted)
        return masked(passage, found, reversible=reversible) if found else None

    return check


def no_secrets(*, kinds: Iterable[str] = SECRET_KINDS) -> Callable[[Passage], Caught | None]:
    """Catches keys, tokens and passwords; with the action `transform` it masks them for good."""
    wanted = _known("no_secrets", kinds, (*PERSONAL_KINDS, *SECRET_KINDS))

    def check(passage: Passage) -> Caught | None:
        found = privacy.found_in(passage.text, wanted)
        return masked(passage, found, reversible=False) if found else None

    return check


def masked(passage: Passage, found: Located, *, reversible: bool) -> Caught:
    """What was found, with the text as it is without it."""
    text, pieces, end = passage.text, [], 0
    is_back_wanted = reversible and passage.point in ("input", "pre_model_call")
    for start, stop, kind in found:
        value = text[start:stop]
        mark = f"[masked:{kind}]"
        if is_back_wanted:
            mark = passage.pseudonyms.mark(kind, value, text=text)
        pieces += [text[end:start], mark]
        end = stop
    kinds = Counter(kind for _, _, kind in found)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return Caught(
        f"it holds {listed}",
        score=float(len(found)),
        kinds=kinds,
        replacement="".join([*pieces, text[end:]]),
        stretches=tuple((start, stop) for start, stop, _ in found),
    )


def _known(guard: str, kinds: Iterable[str], choices: tuple[str, ...]) -> tuple[str, ...]:
    wanted = tuple(kinds)
    for kind in wanted:
        if kind not in choices:
            near = did_you_mean(kind, choices)
            raise Invalid(
                "bad_guard",
                f"`{guard}` knows no kind `{kind[:60]}`",
                hint=f"Did you mean `{near}`?" if near else f"There are: {', '.join(choices)}.",
            )
    return wanted
