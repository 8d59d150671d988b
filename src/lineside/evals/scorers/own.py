"""A scorer of one's own: a function from a Python file of the use case folder."""

from collections.abc import Mapping
from typing import Any

from lineside.core import Invalid, did_you_mean, own_code
from lineside.evals.scorer import Scorer, ScorerContext, is_awaited
from lineside.evals.scorers.wrapped import Witness

Files = Mapping[str, bytes]
HANDED_OVER = "_lineside_given"
"""The function of a file that returns the scorer behind it and its text, where there is one."""


class OwnScorer:
    """One's own function, with what is known of the model that it asks."""

    def __init__(self, function: Scorer, witness: Witness) -> None:
        self._function = function
        self.witness = witness

    def __call__(self, context: ScorerContext) -> Any:
        return self._function(context)


class AwaitedOwnScorer(OwnScorer):
    """The same where it is awaited."""

    async def __call__(self, context: ScorerContext) -> Any:
        return await self._function(context)  # type: ignore[misc] # `is_awaited` said so


def python(*, name: str, function: str, files: Files, model: str | None = None) -> Scorer:
    """One's own function from a file of the use case folder, as `scorers.py:politeness`.

    Where it asks a model it is a judge. Metrics of other libraries show that themselves; else
    `model` states which one, or `none`. It is the person's own code and runs with the rights of the
    process that judges; only judge folders whose code you would run.
    """
    path, _, word = function.rpartition(":")
    content = files.get(path)
    if content is None:
        near = did_you_mean(path, files)
        raise Invalid(
            "scorer_file_missing",
            f"Scorer `{name}` names `{function}`, but there is no file `{path}`",
            hint=f"Did you mean `{near}`?" if near else "Write it as `file.py:function`.",
        )
    module = own_code.load_file(content, path=path, kind="scorer", name=name)
    found = getattr(module, word, None)
    if not callable(found):
        near = did_you_mean(word, [key for key, item in vars(module).items() if callable(item)])
        raise Invalid(
            "scorer_function_missing",
            f"Scorer `{name}`: `{path}` has no function `{word}`",
            hint=f"Did you mean `{near}`?" if near else "It takes one ScorerContext.",
        )
    # A function that a program handed over stands behind one that only calls it.
    shown, text = getattr(module, HANDED_OVER, lambda: None)() or (found, content)
    witness = Witness(shown, name=name, reference=function, content=text, model=model)
    kind = AwaitedOwnScorer if is_awaited(found) else OwnScorer
    return kind(found, witness)
