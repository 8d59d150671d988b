"""`openai:`, `anthropic:` and `gemini:<model>`: models that are asked by a prompt, over HTTP.

`openai:` stands for any endpoint that speaks Chat Completions, OpenAI's own or another's. What
`app.options` may say stands in `PromptedOptions`. Keys come from the environment by name.
"""

import re
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, Protocol, TypeVar

from lineside.core import Invalid, LinesideError, did_you_mean
from lineside.gateway.calls.asking import ServedBy, ask_in_turn
from lineside.gateway.calls.route import ModelRoute, ModelTarget, RouteTarget
from lineside.gateway.calls.upstream import HttpUpstream
from lineside.gateway.canonical.answer import ModelAnswer
from lineside.gateway.canonical.assembly import Assembly
from lineside.gateway.canonical.events import AnswerEvent
from lineside.gateway.canonical.parts import Turn
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.model import ModelReply, ModelSetup, called_for
from lineside.gateway.output import OutputForm
from lineside.gateway.prompt import (
    AnswerFormat,
    ask_again,
    check_whole,
    in_form,
    placed_knobs,
    placeholders,
    turns_for,
)
from lineside.gateway.prompted_options import PromptedOptions, option_problems
from lineside.gateway.retry import Pace

_BODY_BYTES_MAX = 4 * 1024 * 1024
_DEADLINE_SECONDS = 3600.0
_Number = TypeVar("_Number", int, float)
_NO_SUCH_FORM = re.compile(
    r"response_format|json_schema|output_config|output_format|responseJsonSchema", re.IGNORECASE
)


class PromptedProvider:
    """Opens models of one provider.

    Args:
        name: `openai`, `anthropic` or `gemini`.
        pace: How long to wait between tries.
    """

    def __init__(self, name: str, pace: Pace | None = None) -> None:
        self._name = name
        self._pace = pace or Pace()

    def check(self, setup: ModelSetup) -> list[str]:
        """Say what is wrong with the options, the prompt and the output schema."""
        problems = option_problems(setup.options)
        if not _model_name(setup):
            problems.append(f"`{setup.spec}` names no model: write it after `{self._name}:`")
        return problems + prompt_problems(setup)

    def files(self, setup: ModelSetup) -> list[str]:  # noqa: ARG002 # asked of every provider
        """None: the model lies behind the endpoint."""
        return []

    def fit(self, setup: ModelSetup) -> bytes | None:  # noqa: ARG002 # asked of every provider
        """Nothing: the model is trained elsewhere."""
        return None

    def open(self, setup: ModelSetup) -> "PromptedModel":
        """Make the model ready without calling it; the key is looked up at each call."""
        problems = self.check(setup)
        if problems:
            raise Invalid(
                "bad_model_setup",
                problems[0],
                hint="; ".join(problems[1:]) or "Correct `app` in the manifest.",
            )
        options = PromptedOptions.model_validate(setup.options)
        endpoint, needs_key = options.endpoint(self._name)
        upstream = HttpUpstream(
            f"{self._name} at {endpoint.base_url}",
            endpoint,
            needs_key=needs_key,
            body_bytes_max=_BODY_BYTES_MAX,
        )
        target = ModelTarget(self._name, _model_name(setup), upstream)
        asked = OneTarget(target, options, where=upstream.where(target.model), pace=self._pace)
        return PromptedModel(setup, options, asked, knows_json=endpoint.wire == "chat")


class Heard(NamedTuple):
    """A whole answer, and who gave it.

    Attributes:
        where: Model and provider as an error names them.
        provider: Nothing where the manifest names the one there is.
        usd: What it cost; nothing means unknown.
    """

    answer: ModelAnswer
    where: str
    model: str
    provider: str | None = None
    usd: float | None = None

    @property
    def words(self) -> str:
        return self.answer.choices[0].turn.text


class ModelBehind(Protocol):
    """What a prompted model asks: one target, or a route to several."""

    model: str

    async def ask(self, request: ModelRequest, *, served: ServedBy, retries_max: int) -> Heard:
        """Give a whole answer, or raise why there is none."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


class OneTarget:
    """The one model that a manifest names, priced by its options."""

    def __init__(
        self, target: ModelTarget, options: PromptedOptions, *, where: str, pace: Pace
    ) -> None:
        self.model = target.model
        self._target, self._options = target, options
        self._where, self._pace = where, pace

    async def ask(self, request: ModelRequest, *, served: ServedBy, retries_max: int) -> Heard:
        """See `ModelBehind.ask`."""
        route = ModelRoute(
            targets=(RouteTarget(model=self.model),),
            retries_max=retries_max,
            deadline_s=_DEADLINE_SECONDS,
        )
        if who := called_for.get():
            request = request.model_copy(update={"traceparent": who.traceparent})
        events = ask_in_turn(request, [self._target], route, served=served, pace=self._pace)
        answer = await whole_answer(events)
        check_whole(answer, where=self._where)
        return Heard(answer, self._where, answer.model or self.model, usd=self._usd(answer))

    async def close(self) -> None:
        """Give back connections in every loop."""
        await self._target.upstream.close()

    def _usd(self, answer: ModelAnswer) -> float | None:
        price_in, price_out = self._options.usd_per_million_in, self._options.usd_per_million_out
        tokens = answer.tokens
        if tokens is None or None in (tokens.tokens_in, tokens.tokens_out, price_in, price_out):
            return None
        read, written = tokens.tokens_in or 0, tokens.tokens_out or 0
        return (read * (price_in or 0) + written * (price_out or 0)) / 1e6


async def whole_answer(events: AsyncIterable[AnswerEvent]) -> ModelAnswer:
    """What comes of the events of one answer."""
    assembly = Assembly()
    async for event in events:
        assembly.add(event)
    return assembly.answer()


class PromptedModel:
    """An opened model that is asked by a prompt; it may be asked from any number of event loops.

    Args:
        knows_json: A model that takes no schema can still be asked for JSON of any form.
    """

    def __init__(
        self, setup: ModelSetup, options: PromptedOptions, asked: ModelBehind, *, knows_json: bool
    ) -> None:
        self._setup = setup
        self._options = options
        self._asked = asked
        self._knows_json = knows_json
        self._form = OutputForm(setup.output_schema, confidence_limits=options.trust_confidence)
        fields = setup.input_schema.get("properties", {})
        self._is_single_text = len(fields) == 1
        self._answer_format: AnswerFormat = "json_schema"

    async def answer(
        self, payload: Mapping[str, Any], *, knobs: Mapping[str, Any] | None = None
    ) -> ModelReply:
        """Answer one input; see `Model.answer`."""
        served = ServedBy()
        try:
            return await self._answer(payload, knobs or {}, served)
        except LinesideError as error:
            error.is_paid = served.is_paid
            raise

    async def close(self) -> None:
        """Give back connections in every loop."""
        await self._asked.close()

    async def _answer(
        self, payload: Mapping[str, Any], knobs: Mapping[str, Any], served: ServedBy
    ) -> ModelReply:
        turns = turns_for(
            payload,
            prompt=self._setup.prompt,
            is_single_text=self._is_single_text,
            knobs={**self._setup.knobs, **knobs},
        )
        heard = [await self._complete(turns, served, retries_max=self._options.retries_max)]
        output, misfit = self._form.read(heard[0].words)
        if output is None:
            again = ask_again(turns, answer=heard[0].words, misfit=misfit)
            # Both ways of asking once more share one limit.
            left = max(0, self._options.retries_max - served.attempts + 1)
            heard.append(await self._complete(again, served, retries_max=left))
            output, misfit = self._form.read(heard[1].words)
        if output is None:
            error = Invalid(
                "output_misfit",
                f"{heard[1].where} answered twice in a form that does not fit",
                hint="Make the prompt say what the output fields mean, or use a stronger model.",
            )
            error.quotes = (misfit, heard[1].words)
            raise error
        return self._reply(output, heard, served)

    def _reply(
        self, output: dict[str, Any], heard: Sequence[Heard], served: ServedBy
    ) -> ModelReply:
        counts = [one.answer.tokens for one in heard]
        trusted = self._options.trust_confidence
        said: dict[str, Any] = {"route": list(served.why)} if served.why else {}
        if heard[-1].provider and len(served.tries) > 1:
            said["tries"] = [asdict(one) for one in served.tries]
        return ModelReply(
            output=output,
            model=heard[-1].model,
            confidence=float(output["confidence"]) if trusted else None,
            tokens_in=_sum_known([tokens.tokens_in if tokens else None for tokens in counts]),
            tokens_out=_sum_known([tokens.tokens_out if tokens else None for tokens in counts]),
            cost_usd=_sum_known([one.usd for one in heard]),
            attempts=served.attempts,
            provider=heard[-1].provider,
            why=tuple(served.why),
            lost=served.lost,
            attributes=said,
        )

    async def _complete(
        self, turns: Sequence[Turn], served: ServedBy, *, retries_max: int
    ) -> Heard:
        """Ask; a second time at once where the endpoint turns out not to know JSON Schema."""
        answer_format = self._answer_format
        try:
            return await self._ask(turns, answer_format, served, retries_max)
        except Invalid as error:
            is_misunderstood = error.code == "model_refused_request" and _NO_SUCH_FORM.search(
                error.message
            )
            if not is_misunderstood or answer_format != "json_schema":
                raise
        self._answer_format = "json_object" if self._knows_json else "words"
        return await self._ask(turns, self._answer_format, served, retries_max)

    async def _ask(
        self,
        turns: Sequence[Turn],
        answer_format: AnswerFormat,
        served: ServedBy,
        retries_max: int,
    ) -> Heard:
        request = self._request(turns, answer_format)
        return await self._asked.ask(request, served=served, retries_max=retries_max)

    def _request(self, turns: Sequence[Turn], answer_format: AnswerFormat) -> ModelRequest:
        options = self._options
        limit = options.max_completion_tokens
        marks: dict[str, Any] = {"~limit": "max_tokens"} if limit is None else {}
        if limit is not None and options.max_tokens is not None:
            marks["max_tokens"] = options.max_tokens
        request = ModelRequest(
            wire="chat",
            model=self._asked.model,
            turns=tuple(turns),
            temperature=options.temperature,
            tokens_out_max=limit if limit is not None else options.max_tokens,
            seed=options.seed,
            extras=marks,
        )
        return in_form(request, schema=self._setup.output_schema, answer_format=answer_format)


def prompt_problems(setup: ModelSetup) -> list[str]:
    """What is wrong with the prompt and the output schema, whichever model is to read them."""
    problems = []
    fields = set(setup.input_schema.get("properties", {}))
    for name in sorted(placeholders(setup.prompt or "") - fields):
        near = did_you_mean(name, fields)
        guess = f", did you mean `{{{{{near}}}}}`?" if near else ""
        problems.append(f"The prompt places `{{{{{name}}}}}`, no field of the input{guess}")
    for name in sorted(placed_knobs(setup.prompt or "") - set(setup.knobs)):
        known = ", ".join(f"`{knob}`" for knob in setup.knobs) or "none"
        problems.append(f"The prompt places the knob `{name}`; the manifest has: {known}")
    reports = "confidence" in setup.output_schema.get("properties", {})
    if setup.options.get("trust_confidence") is True and not reports:
        problems.append("`trust_confidence` needs a `confidence` in the output")
    try:
        OutputForm(setup.output_schema)
    except Invalid as error:
        problems.append(error.message)
    return problems


def _model_name(setup: ModelSetup) -> str:
    return setup.spec.partition(":")[2].strip()


def _sum_known(counts: list[_Number | None]) -> _Number | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
