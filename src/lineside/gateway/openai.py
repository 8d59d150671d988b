"""`openai:<model>`: any endpoint that speaks Chat Completions, OpenAI's own or another's.

What `app.options` may say stands in `OpenAIOptions`. Keys come from the environment by name.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from lineside.core import Denied, Invalid, Unavailable, did_you_mean, now
from lineside.gateway.canonical.answer import ModelAnswer
from lineside.gateway.canonical.parts import Turn
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.model import ModelReply, ModelSetup
from lineside.gateway.openai_options import OpenAIOptions, option_problems, without_keys
from lineside.gateway.output import OutputForm, shorten
from lineside.gateway.prompt import (
    AnswerFormat,
    ask_again,
    in_form,
    placed_knobs,
    placeholders,
    read_whole,
    turns_for,
)
from lineside.gateway.retry import Pace, hear_rate_limit, read_retry_after
from lineside.gateway.sessions import LoopSessions
from lineside.gateway.wires.chat_request import write_request
from lineside.gateway.wires.errors import read_error

_BODY_BYTES_MAX = 4 * 1024 * 1024
_RETRIED = {408, 409, 429}


class OpenAIProvider:
    """Opens models behind an OpenAI-compatible endpoint.

    Args:
        pace: How long to wait between tries.
    """

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()

    def check(self, setup: ModelSetup) -> list[str]:
        """Say what is wrong with the options, the prompt and the output schema."""
        problems = option_problems(setup.options)
        if not _model_name(setup):
            problems.append(f"`{setup.spec}` names no model: write it after `openai:`")
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

    def files(self, setup: ModelSetup) -> list[str]:  # noqa: ARG002 # asked of every provider
        """None: the model lies behind the endpoint."""
        return []

    def fit(self, setup: ModelSetup) -> bytes | None:  # noqa: ARG002 # asked of every provider
        """Nothing: the model is trained elsewhere."""
        return None

    def open(self, setup: ModelSetup) -> "OpenAIModel":
        """Make the model ready without calling it; the key is looked up at each call."""
        problems = self.check(setup)
        if problems:
            raise Invalid(
                "bad_model_setup",
                problems[0],
                hint="; ".join(problems[1:]) or "Correct `app` in the manifest.",
            )
        return OpenAIModel(setup, OpenAIOptions.model_validate(setup.options), pace=self._pace)


@dataclass
class _Call:
    """What one typed call has taken so far; retries and re-asks share it."""

    retries_left: int
    attempts: int = 0
    started_s: float = field(default_factory=monotonic)
    answers: list[ModelAnswer] = field(default_factory=list)

    def tokens(self) -> tuple[int | None, int | None]:
        """Sums of tokens read and written; nothing as soon as one reply did not count them."""
        counts = [answer.tokens for answer in self.answers]
        read = [tokens.tokens_in if tokens else None for tokens in counts]
        written = [tokens.tokens_out if tokens else None for tokens in counts]
        return _sum_known(read), _sum_known(written)


@dataclass(frozen=True)
class _Failure:
    """A try that failed in a way that may pass."""

    code: str
    reason: str
    asked_s: float | None = None


class OpenAIModel:
    """An opened `openai:` model; it may be asked from any number of event loops."""

    def __init__(self, setup: ModelSetup, options: OpenAIOptions, *, pace: Pace) -> None:
        self._setup = setup
        self._options = options
        self._pace = pace
        self._name = _model_name(setup)
        self._base_url = options.address()
        self._where = f"`{self._name}` at {self._base_url}"
        self._form = OutputForm(setup.output_schema, confidence_limits=options.trust_confidence)
        fields = setup.input_schema.get("properties", {})
        self._is_single_text = len(fields) == 1
        self._answer_format: AnswerFormat = "json_schema"
        self._sessions = LoopSessions()

    async def answer(
        self, payload: Mapping[str, Any], *, knobs: Mapping[str, Any] | None = None
    ) -> ModelReply:
        """Answer one input; see `Model.answer`."""
        call = _Call(retries_left=self._options.retries_max)
        turns = turns_for(
            payload,
            prompt=self._setup.prompt,
            is_single_text=self._is_single_text,
            knobs={**self._setup.knobs, **(knobs or {})},
        )
        answer = await self._complete(turns, call)
        output, misfit = self._form.read(_words(answer))
        if output is None:
            again = ask_again(turns, answer=_words(answer), misfit=misfit)
            answer = await self._complete(again, call)
            output, misfit = self._form.read(_words(answer))
        if output is None:
            raise Invalid(
                "output_misfit",
                f"{self._where} answered twice in a form that does not fit. {shorten(misfit)}. "
                f"Its answer: `{shorten(_words(answer), 200)}`",
                hint="Make the prompt say what the output fields mean, or use a stronger model.",
            )
        return self._reply(output, call, answer)

    async def close(self) -> None:
        """Give back connections in every loop."""
        await self._sessions.close()

    def _reply(self, output: dict[str, Any], call: _Call, last: ModelAnswer) -> ModelReply:
        tokens_in, tokens_out = call.tokens()
        price_in, price_out = self._options.usd_per_million_in, self._options.usd_per_million_out
        cost_usd = None
        if None not in (tokens_in, tokens_out, price_in, price_out):
            cost_usd = (
                (tokens_in or 0) * (price_in or 0) + (tokens_out or 0) * (price_out or 0)
            ) / 1e6
        trusted = self._options.trust_confidence
        return ModelReply(
            output=output,
            model=last.model or self._name,
            confidence=float(output["confidence"]) if trusted else None,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost_usd=cost_usd,
            attempts=call.attempts,
        )

    async def _complete(self, turns: Sequence[Turn], call: _Call) -> ModelAnswer:
        retry = 0
        while True:
            outcome = await self._try(turns, call)
            if isinstance(outcome, ModelAnswer):
                call.answers.append(outcome)
                return outcome
            asked_s = outcome.asked_s
            if asked_s is not None and asked_s > self._pace.retry_after_max_s:
                raise Unavailable(
                    outcome.code,
                    f"{self._where} asks to wait {asked_s:.0f} s: {outcome.reason}",
                    hint=f"Try again in {asked_s:.0f} s; lineside itself waits up to "
                    f"{self._pace.retry_after_max_s:.0f} s.",
                )
            if call.retries_left <= 0:
                times = f"{call.attempts} times" if call.attempts > 1 else "once"
                raise Unavailable(
                    outcome.code,
                    f"{self._where} did not answer: {outcome.reason} "
                    f"(asked {times} in {monotonic() - call.started_s:.1f} s)",
                    hint="Check that the endpoint runs and is not overloaded, then try again.",
                )
            call.retries_left -= 1
            await asyncio.sleep(self._pace.wait_s(retry, asked_s=asked_s))
            retry += 1

    async def _try(self, turns: Sequence[Turn], call: _Call) -> ModelAnswer | _Failure:
        """Ask once; a second time at once where the endpoint turns out not to know JSON Schema."""
        answer_format = self._answer_format
        outcome = await self._post(turns, answer_format, call)
        if isinstance(outcome, _Failure):
            return outcome
        status, headers, body = outcome
        is_misunderstood = status in (400, 422) and re.search(b"response_format|json_schema", body)
        if is_misunderstood and answer_format == "json_schema":
            self._answer_format = "json_object"
            outcome = await self._post(turns, "json_object", call)
            if isinstance(outcome, _Failure):
                return outcome
            status, headers, body = outcome
        if 200 <= status < 300:
            return read_whole(body, where=self._where)
        return self._failure(status, headers, body)

    async def _post(
        self, turns: Sequence[Turn], answer_format: AnswerFormat, call: _Call
    ) -> tuple[int, Mapping[str, str], bytes] | _Failure:
        import aiohttp

        session = await self._sessions.session()
        call.attempts += 1
        try:
            async with session.post(
                f"{self._base_url}/chat/completions",
                json=self._request(turns, answer_format),
                headers=self._headers(),
                timeout=aiohttp.ClientTimeout(total=self._options.timeout_s),
                allow_redirects=False,
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_chunked(65536):
                    body += chunk
                    if len(body) > _BODY_BYTES_MAX:
                        raise Invalid(
                            "reply_too_large",
                            f"{self._where} sent more than {_BODY_BYTES_MAX} bytes",
                            hint="Check that `base_url` is an OpenAI-compatible endpoint.",
                        )
                return response.status, response.headers, bytes(body)
        except TimeoutError:
            return _Failure("model_slow", f"no answer within {self._options.timeout_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            # The error itself carries the request with its key: only its text goes on.
            return _Failure("model_down", without_keys(str(error) or type(error).__name__))

    def _request(self, turns: Sequence[Turn], answer_format: AnswerFormat) -> dict[str, Any]:
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
        schema = self._setup.output_schema
        return write_request(in_form(request, schema=schema, answer_format=answer_format))

    def _headers(self) -> dict[str, str]:
        key = self._options.key(self._base_url)
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _failure(self, status: int, headers: Mapping[str, str], body: bytes) -> _Failure:
        """Tell a failure that may pass from one that stays, which is raised."""
        code, text = read_error(body)
        # Endpoints quote the key they refuse; nothing of it may reach a log or a page.
        text = without_keys(text, key=self._options.key(self._base_url))
        if status in (401, 403):
            variable = self._options.key_variable
            is_set = self._options.key(self._base_url) is not None
            state = "the key in" if is_set else "a call without a key, since nothing is in"
            raise Denied(
                "model_denied",
                f"{self._where} refused {state} the environment variable `{variable}` "
                f"(status {status})",
                hint=f"Put a valid key into `{variable}`, or name another variable with "
                "`api_key_env` in `app.options`.",
            )
        if code == "insufficient_quota":
            raise Unavailable(
                "model_quota_used_up",
                f"{self._where} says that its quota is used up: {text}",
                hint="Raise the quota at the provider, or use another model.",
            )
        if status in _RETRIED or status >= 500:
            kind = "model_rate_limited" if status == 429 else "model_failed"
            asked_s = read_retry_after(headers.get("Retry-After"), moment=now())
            if status == 429:
                hear_rate_limit(asked_s)
            return _Failure(kind, f"status {status}: {text or 'no reason given'}", asked_s)
        if status == 404:
            raise Invalid(
                "model_not_found",
                f"{self._where} is not there (status 404): {text or 'no reason given'}",
                hint="Check the model's name and `base_url`, which usually ends in `/v1`.",
            )
        raise Invalid(
            "model_refused_request",
            f"{self._where} did not take the request (status {status}): "
            f"{text or 'no reason given'}",
            hint="Correct what it names, mostly in `app.options` or `app.output`.",
        )


def _words(answer: ModelAnswer) -> str:
    return answer.choices[0].turn.text


def _model_name(setup: ModelSetup) -> str:
    return setup.spec.partition(":")[2].strip()


def _sum_known(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
