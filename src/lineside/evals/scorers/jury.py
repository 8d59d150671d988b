"""The models that judge: asked side by side, held to a schema, within time and money."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import combinations
from typing import Any

import orjson

from lineside.core import Invalid, LinesideError, NotFound
from lineside.evals import scorer
from lineside.gateway import Form, Model, ModelReply, ModelSetup, provider_for

CALLS_AT_ONCE_MAX = 16
JURORS_MAX = 9
REPEATS_MAX = 10
TEXT_MAX = 200_000
REASON_MAX = 2_000
TIMEOUT_S = 60.0

_NOT_IDENTITY = frozenset({"api_key_env", "timeout_s", "retries_max"})
"""Options that change how a model is reached, and not what it says."""


@dataclass(frozen=True)
class JurySetup:
    """Who is asked what, and within which limits.

    Attributes:
        name: Of the scorer, for messages.
        shown: Names of the texts that a model is shown.
        repeats: How often each model is asked about one answer.
        timeout_s: For one call.
        usd_max: For one run; nothing means no limit.
    """

    name: str
    models: Sequence[str]
    prompt: str
    shown: Sequence[str]
    answer_schema: Mapping[str, Any]
    files: Mapping[str, bytes]
    options: Mapping[str, Any] = field(default_factory=dict)
    repeats: int = 1
    timeout_s: float = TIMEOUT_S
    usd_max: float | None = None


@dataclass(frozen=True)
class Said:
    """What one call gave: an output that fits the schema, or why there is none."""

    juror: str
    output: dict[str, Any] | None = None
    error: str | None = None
    model: str | None = None
    cost_usd: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None


class Jury:
    """Opened models that are asked the same question; safe to share among the cases of a run.

    Attributes:
        digest: What makes it this judge; see `judge_digest`.
        spent_usd: What its calls cost, where that is known.
        price: Says what a reply cost whose model does not say so itself.
    """

    def __init__(self, setup: JurySetup) -> None:
        _check(setup)
        self.setup = setup
        self.digest = _digest(setup)
        self.spent_usd = 0.0
        self.price: Callable[[ModelReply], float | None] = lambda _reply: None
        self._form = Form(setup.answer_schema)
        self._jurors = [(spec, _opened(setup, spec)) for spec in setup.models]
        self._turns = asyncio.Semaphore(CALLS_AT_ONCE_MAX)
        self._has_unknown_cost = False

    async def ask(self, payloads: Sequence[Mapping[str, str]]) -> list[list[Said]]:
        """Ask every model every question as often as the setup says, until the time is up.

        Returns:
            For each model and repeat, in this order, one answer for each question.
        """
        calls = [
            (spec, asyncio.create_task(self._call(spec, model, payload)))
            for spec, model in self._jurors
            for _ in range(self.setup.repeats)
            for payload in payloads
        ]
        try:
            tasks = [call for _, call in calls]
            await asyncio.wait(tasks, timeout=scorer.SECONDS_MAX)
        finally:
            for _, call in calls:
                call.cancel()
        await asyncio.wait(tasks)
        said = [_said(spec, call) for spec, call in calls]
        return [said[at : at + len(payloads)] for at in range(0, len(said), len(payloads))]

    async def close(self) -> None:
        for _, model in self._jurors:
            await model.close()

    async def _call(self, spec: str, model: Model, payload: Mapping[str, str]) -> Said:
        async with self._turns:
            spent = self._is_spent()
            if spent:
                return Said(spec, error=spent)
            try:
                async with asyncio.timeout(self.setup.timeout_s):
                    reply = await model.answer(payload)
            except TimeoutError:
                return Said(spec, error=f"no verdict within {self.setup.timeout_s:g} s")
            except LinesideError as error:
                return Said(spec, error=f"{error.code}: {error.message}")
            return self._read(spec, reply)

    def _read(self, spec: str, reply: ModelReply) -> Said:
        cost_usd = self.price(reply) if reply.cost_usd is None else reply.cost_usd
        self._has_unknown_cost |= cost_usd is None
        self.spent_usd += cost_usd or 0.0
        wrong = self._form.problems(reply.output)
        return Said(
            spec,
            None if wrong else reply.output,
            f"verdict outside the schema: {'; '.join(wrong[:3])}" if wrong else None,
            reply.model,
            cost_usd,
            reply.tokens_in,
            reply.tokens_out,
        )

    def _is_spent(self) -> str | None:
        limit = self.setup.usd_max
        if limit is None:
            return None
        if self._has_unknown_cost:
            return "not asked: `usd_max` is set, but nobody knows what a call costs"
        if self.spent_usd >= limit:
            return f"not asked: {self.spent_usd:.4f} of {limit:g} USD are spent (`usd_max`)"
        return None


def _said(spec: str, call: "asyncio.Task[Said]") -> Said:
    """What a call gave; one that was cut off must not hide what the others took."""
    if call.cancelled():
        return Said(spec, error=f"no verdict within {scorer.SECONDS_MAX:g} s")
    return call.result()


def bill(said: Sequence[Said]) -> dict[str, Any]:
    """What calls took together; a cost or count that one of them lacks is unknown."""
    asked = [item for item in said if item.model is not None]
    total: dict[str, Any] = {"calls": len(asked), "models": sorted({str(s.model) for s in asked})}
    for word in ("cost_usd", "tokens_in", "tokens_out"):
        values = [getattr(item, word) for item in asked]
        total[word] = None if None in values else sum(values)
    return total


def agreement(votes: Sequence[str]) -> float | None:
    """Share of the pairs of votes that are alike; nothing for fewer than two."""
    pairs = list(combinations(votes, 2))
    return sum(first == second for first, second in pairs) / len(pairs) if pairs else None


def commonest(votes: Sequence[str], *, order: Sequence[str]) -> str:
    """The vote that most gave; of as many the first in the order."""
    counts = Counter(votes)
    return max(order, key=lambda vote: counts[vote])


def files_of(models: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """Paths of the files that models read."""
    setups = [ModelSetup(spec, {}, {}, _absent, options=options) for spec in models]
    return [path for setup in setups for path in provider_for(setup.spec).files(setup)]


def _check(setup: JurySetup) -> None:
    limits = (
        ("models", len(setup.models), JURORS_MAX),
        ("repeats", setup.repeats, REPEATS_MAX),
    )
    for word, number, most in limits:
        if not 1 <= number <= most:
            raise Invalid(
                "bad_scorer", f"Scorer `{setup.name}` has {number} {word}, expected 1 to {most}"
            )
    if len(set(setup.models)) < len(setup.models):
        raise Invalid(
            "bad_scorer",
            f"Scorer `{setup.name}` names a model twice",
            hint="Use `repeats` to ask one model more than once.",
        )


def _opened(setup: JurySetup, spec: str) -> Model:
    def read_file(path: str) -> bytes:
        return setup.files[path] if path in setup.files else _absent(path)

    shown = {word: {"type": "string"} for word in setup.shown}
    form = {"type": "object", "properties": shown, "required": list(shown)}
    return provider_for(spec).open(
        ModelSetup(
            spec=spec,
            input_schema={**form, "additionalProperties": False},
            output_schema=setup.answer_schema,
            read_file=read_file,
            prompt=setup.prompt,
            options=setup.options,
        )
    )


def _absent(path: str) -> bytes:
    raise NotFound("file_missing", f"There is no file `{path}` for the judge")


def _digest(setup: JurySetup) -> str:
    paths = files_of(setup.models, setup.options)
    identity = {
        "models": list(setup.models),
        "prompt": setup.prompt,
        "schema": setup.answer_schema,
        "options": {k: v for k, v in setup.options.items() if k not in _NOT_IDENTITY},
        "files": {path: sha256(setup.files.get(path, b"")).hexdigest() for path in paths},
    }
    return sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()
