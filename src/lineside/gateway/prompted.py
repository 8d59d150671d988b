"""`openai:`, `anthropic:` and `gemini:<model>`: models that are asked by a prompt, over HTTP.

`openai:` stands for any endpoint that speaks Chat Completions, OpenAI's own or another's. What
`app.options` may say stands in `PromptedOptions`. Keys come from the environment by name.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lineside.core import Invalid, LinesideError, did_you_mean
from lineside.gateway.calls.asking import ServedBy, ask_in_turn
from lineside.gateway.calls.route import ModelRoute, ModelTarget, RouteTarget
from lineside.gateway.calls.upstream import HttpUpstream
from lineside.gateway.canonical.answer import ModelAnswer
from lineside.gateway.canonical.assembly import Assembly
from lineside.gateway.canonical.parts import Turn
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.model import ModelReply, ModelSetup
from lineside.gateway.output import OutputForm, shorten
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
        where, is_chat = upstream.where(target.model), endpoint.wire == "chat"
        return PromptedModel(
            setup, options, target, where=where, knows_json=is_chat, pace=self._pace
        )


class PromptedModel:
    """An opened model that is asked by a prompt; it may be asked from any number of event loops.

    Args:
        where: Model and provider as an error names them.
        knows_json: A model that takes no schema can still be asked for JSON of any form.
    """

    def __init__(
        self,
        setup: ModelSetup,
        options: PromptedOptions,
        target: ModelTarget,
        *,
        where: str,
        knows_json: bool,
        pace: Pace,
    ) -> None:
        self._setup = setup
        self._options = options
        self._pace = pace
        self._target = target
        self._name = target.model
        self._where = where
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
        await self._target.upstream.close()

    async def _answer(
        self, payload: Mapping[str, Any], knobs: Mapping[str, Any], served: ServedBy
    ) -> ModelReply:
        turns = turns_for(
            payload,
            prompt=self._setup.prompt,
            is_single_text=self._is_single_text,
            knobs={**self._setup.knobs, **knobs},
        )
        answers = [await self._complete(turns, served, retries_max=self._options.retries_max)]
        output, misfit = self._form.read(_words(answers[0]))
        if output is None:
            again = ask_again(turns, answer=_words(answers[0]), misfit=misfit)
            # Both ways of asking once more share one limit.
            left = max(0, self._options.retries_max - served.attempts + 1)
            answers.append(await self._complete(again, served, retries_max=left))
            output, misfit = self._form.read(_words(answers[1]))
        if output is None:
            raise Invalid(
                "output_misfit",
                f"{self._where} answered twice in a form that does not fit. {shorten(misfit)}. "
                f"Its answer: `{shorten(_words(answers[1]), 200)}`",
                hint="Make the prompt say what the output fields mean, or use a stronger model.",
            )
        return self._reply(output, answers, served.attempts)

    def _reply(
        self, output: dict[str, Any], answers: Sequence[ModelAnswer], attempts: int
    ) -> ModelReply:
        counts = [answer.tokens for answer in answers]
        tokens_in = _sum_known([tokens.tokens_in if tokens else None for tokens in counts])
        tokens_out = _sum_known([tokens.tokens_out if tokens else None for tokens in counts])
        price_in, price_out = self._options.usd_per_million_in, self._options.usd_per_million_out
        cost_usd = None
        if None not in (tokens_in, tokens_out, price_in, price_out):
            cost_usd = (
                (tokens_in or 0) * (price_in or 0) + (tokens_out or 0) * (price_out or 0)
            ) / 1e6
        trusted = self._options.trust_confidence
        return ModelReply(
            output=output,
            model=answers[-1].model or self._name,
            confidence=float(output["confidence"]) if trusted else None,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost_usd=cost_usd,
            attempts=attempts,
        )

    async def _complete(
        self, turns: Sequence[Turn], served: ServedBy, *, retries_max: int
    ) -> ModelAnswer:
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
    ) -> ModelAnswer:
        route = ModelRoute(
            targets=(RouteTarget(model=self._name),),
            retries_max=retries_max,
            deadline_s=_DEADLINE_SECONDS,
        )
        request = self._request(turns, answer_format)
        events = ask_in_turn(request, [self._target], route, served=served, pace=self._pace)
        assembly = Assembly()
        async for event in events:
            assembly.add(event)
        answer = assembly.answer()
        check_whole(answer, where=self._where)
        return answer

    def _request(self, turns: Sequence[Turn], answer_format: AnswerFormat) -> ModelRequest:
        options = self._options
        limit = options.max_completion_tokens
        marks: dict[str, Any] = {"~limit": "max_tokens"} if limit is None else {}
        if limit is not None and options.max_tokens is not None:
            marks["max_tokens"] = options.max_tokens
        request = ModelRequest(
            wire="chat",
            model=self._name,
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


def _words(answer: ModelAnswer) -> str:
    return answer.choices[0].turn.text


def _model_name(setup: ModelSetup) -> str:
    return setup.spec.partition(":")[2].strip()


def _sum_known(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
