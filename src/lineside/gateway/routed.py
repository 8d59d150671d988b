"""`route:<name>`: the models that a route of `gateway.yaml` names, asked by its rules.

A release holds the rules as they were when it was judged (`gateway.routes.json` among its files),
and is served by them whatever `gateway.yaml` says by then; docs/decisions/0014 says why. Addresses
and keys of providers stay where they are.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import ConfigDict, Field

from lineside.core import (
    Conflict,
    Invalid,
    LinesideError,
    NotFound,
    Record,
    Settings,
    did_you_mean,
    now,
)
from lineside.gateway.calls.asking import ServedBy
from lineside.gateway.calls.gateway import Gateway, ModelCall
from lineside.gateway.calls.route import ModelRoute
from lineside.gateway.calls.settings import gateway_file
from lineside.gateway.calls.upstream import HttpUpstream
from lineside.gateway.canonical.answer import ModelAnswer
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.model import CalledFor, ModelReply, ModelSetup, called_for
from lineside.gateway.prompt import check_whole
from lineside.gateway.prompted import Heard, PromptedModel, prompt_problems, whole_answer
from lineside.gateway.prompted_options import Limit, PromptedOptions, misfits
from lineside.traces import prices

ROUTES_FILE = "gateway.routes.json"
"""Where a release holds the rules of the routes that it names."""

_BY_KNOB = re.compile(r"\{\{\s*knob\.(\w+)\s*\}\}")
# What a caller of plain models is given again is no matter of a release.
_NOT_RECORDED = {"cache_s", "semantic_cache", "semantic_similarity_min"}

_log = logging.getLogger(__name__)


class RoutedOptions(Record):
    """What `app.options` may say of a `route:`; the rest is the route's own.

    Attributes:
        temperature: Sent only when given; some models refuse it.
        max_tokens: Tokens the answer may have; newer models of OpenAI want the next one instead.
        max_completion_tokens: The same for models that count their reasoning in.
        seed: Asks for the same answer to the same question, as far as a model heeds it.
        trust_confidence: Take the `confidence` that the model wrote into its output as the
            probability of being right.
    """

    model_config = ConfigDict(strict=True)

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Limit | None = None
    max_completion_tokens: Limit | None = None
    seed: int | None = None
    trust_confidence: bool = False


class RouteProvider:
    """Opens models that stand behind a route, or behind a knob that chooses one."""

    def check(self, setup: ModelSetup) -> list[str]:
        """Say what is wrong with the options, the prompt and the routes that are named."""
        problems = misfits(RoutedOptions, setup.options) + prompt_problems(setup)
        try:
            names = route_names(setup)
            gateway = Gateway(_place(setup))
        except LinesideError as error:
            return [*problems, _in_words(error)]
        for name in names:
            try:
                _resolved(gateway, name)
            except LinesideError as error:
                problems.append(_in_words(error))
        return problems

    def files(self, setup: ModelSetup) -> list[str]:  # noqa: ARG002 # asked of every provider
        """None of the folder's own: the rules are recorded."""
        return []

    def recorded(self, setup: ModelSetup) -> dict[str, bytes]:
        """The rules of every route that may be asked, as `gateway.yaml` has them now."""
        gateway = Gateway(_place(setup))
        rules = {name: _rules(_resolved(gateway, name)) for name in route_names(setup)}
        text = orjson.dumps(rules, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
        return {ROUTES_FILE: text}

    def fit(self, setup: ModelSetup) -> bytes | None:  # noqa: ARG002 # asked of every provider
        """Nothing: the models are trained elsewhere."""
        return None

    def open(self, setup: ModelSetup) -> "RoutedModel":
        """Make ready what the recorded rules name; nothing is connected yet.

        Raises:
            Invalid: The options or the prompt do not fit, or no rules are recorded.
            Conflict: No provider of a route is there any more.
        """
        problems = misfits(RoutedOptions, setup.options) + prompt_problems(setup)
        if problems:
            raise Invalid(
                "bad_model_setup",
                problems[0],
                hint="; ".join(problems[1:]) or "Correct `app` in the manifest.",
            )
        place = _place(setup)
        now_there = Gateway(place)
        recorded = _recorded(setup)
        _tell_changes(setup.spec, recorded, now_there)
        routes = {name: _still_there(now_there, name, route) for name, route in recorded.items()}
        gateway = Gateway(place, price_tables=setup.price_tables, routes=routes)
        return RoutedModel(setup, gateway, routes)


class RoutedModel:
    """An opened model behind a route; breakers and measured times are its own.

    Attributes:
        routes: Those that may be asked, by name.
    """

    def __init__(
        self, setup: ModelSetup, gateway: Gateway, routes: Mapping[str, ModelRoute]
    ) -> None:
        self.routes = routes
        self._gateway = gateway
        self._setup = setup
        options = RoutedOptions.model_validate(setup.options)
        prompted = PromptedOptions(**options.model_dump())
        self._models = {
            name: PromptedModel(
                setup,
                prompted,
                _RouteAsked(gateway, name, setup.price_tables),
                knows_json=all(map(partial(_speaks_chat, gateway), route.names)),
            )
            for name, route in routes.items()
        }

    def route_at(self, knobs: Mapping[str, Any]) -> ModelRoute:
        """The route that is asked where the knobs stand so."""
        return self.routes[self._name_at(knobs)]

    async def answer(
        self, payload: Mapping[str, Any], *, knobs: Mapping[str, Any] | None = None
    ) -> ModelReply:
        """Answer one input; see `Model.answer`."""
        return await self._models[self._name_at(knobs or {})].answer(payload, knobs=knobs)

    async def close(self) -> None:
        """Give back connections in every loop."""
        await self._gateway.close()

    def _name_at(self, knobs: Mapping[str, Any]) -> str:
        named = _named(self._setup)
        by_knob = _BY_KNOB.fullmatch(named)
        name = str({**self._setup.knobs, **knobs}[by_knob[1]]) if by_knob else named
        if name not in self.routes:
            raise Invalid(
                "unknown_route",
                f"The release holds no route `{name[:80]}`; it has: {', '.join(self.routes)}",
                hint="Add it to the choices of the knob, then test and release anew.",
            )
        return name


class _RouteAsked:
    """A route as what a prompted model asks."""

    def __init__(
        self, gateway: Gateway, name: str, price_tables: prices.PriceTables | None
    ) -> None:
        self.model = name
        self._gateway, self._price_tables = gateway, price_tables

    async def ask(self, request: ModelRequest, *, served: ServedBy, retries_max: int) -> Heard:  # noqa: ARG002 # a route has its own
        """See `ModelBehind.ask`."""
        who = called_for.get() or CalledFor("")
        call = ModelCall(
            request=request,
            workspace=who.workspace,
            actor="",
            key="",
            session=who.session,
            user=who.user,
            traceparent=who.traceparent,
            served=served,
        )
        answer = await whole_answer(self._gateway.events(call))
        where = f"`{served.provider}/{served.model}` on the route `{self.model}`"
        check_whole(answer, where=where)
        usd = await self._usd(answer, served, who.workspace)
        model = answer.model or served.model or self.model
        return Heard(answer, where, model, served.provider, usd)

    async def close(self) -> None:
        """Do nothing: the routes share their connections."""

    async def _usd(self, answer: ModelAnswer, served: ServedBy, workspace: str) -> float | None:
        """What the model that answered takes for it; nothing where no table knows."""
        tables, tokens = self._price_tables, answer.tokens
        if tables is None or tokens is None or not workspace:
            return None
        table = await asyncio.to_thread(tables.of, workspace)
        for name in (answer.model, served.model):
            usage = prices.Usage(
                served.provider,
                name or "",
                now(),
                tokens.tokens_in,
                tokens.tokens_out,
                tokens.tokens_cached_in,
                tokens.tokens_cache_written_in,
                tokens.tokens_reasoning_out,
            )
            priced = table.price(usage)
            if isinstance(priced, prices.Priced):
                return priced.usd
        return None


def route_names(setup: ModelSetup) -> list[str]:
    """Names of the routes that `app.model` may come to: one, or each choice of a knob.

    Raises:
        Invalid: The knob that is to choose is none, or is no `choice`.
    """
    named = _named(setup)
    by_knob = _BY_KNOB.fullmatch(named)
    if by_knob is None:
        return [named]
    choices = setup.choices.get(by_knob[1])
    if choices:
        return list(choices)
    known = ", ".join(f"`{name}`" for name in setup.choices) or "none"
    raise Invalid(
        "unknown_knob",
        f"`{setup.spec}` asks the knob `{by_knob[1]}`; knobs of the kind `choice`: {known}",
        hint="Add a knob of the kind `choice` whose choices are routes.",
    )


def _named(setup: ModelSetup) -> str:
    return setup.spec.partition(":")[2].strip()


def _place(setup: ModelSetup) -> Path:
    return setup.gateway_file or gateway_file(Settings.from_environment())


def _resolved(gateway: Gateway, name: str) -> ModelRoute:
    """The route of that name, with a provider behind each of its targets."""
    if not gateway.knows(name):
        near = did_you_mean(name, gateway.names())
        known = ", ".join(f"`{one}`" for one in gateway.names()[:10]) or "none"
        raise NotFound(
            "unknown_route",
            f"`gateway.yaml` has no route `{name[:80]}`",
            hint=f"Did you mean `{near}`?"
            if near
            else f"Add it there, or name a model as `provider/model`; known: {known}.",
        )
    route = gateway.route(name)
    for target in route.names:
        gateway.target(target)
    return route


def _rules(route: ModelRoute) -> dict[str, Any]:
    return route.model_dump(mode="json", exclude=_NOT_RECORDED)


def _recorded(setup: ModelSetup) -> dict[str, ModelRoute]:
    try:
        rules = orjson.loads(setup.read_file(ROUTES_FILE))
    except NotFound:
        raise Invalid(
            "routes_not_recorded",
            f"No rules of `{setup.spec}` are recorded",
            hint="Test and release the use case anew: a release holds the rules of its routes.",
        ) from None
    return {name: ModelRoute.model_validate(told) for name, told in rules.items()}


def _still_there(gateway: Gateway, name: str, route: ModelRoute) -> ModelRoute:
    """The route without targets whose provider is gone: they are as good as down.

    Raises:
        Conflict: None is left.
    """
    left = tuple(one for one in route.targets if gateway.knows(one.model))
    if not left:
        raise Conflict(
            "route_gone",
            f"The release asks `{'`, `'.join(route.names)}` by the route `{name}`, and "
            "`gateway.yaml` has none of these providers any more",
            hint="Put one of them back, or test and release the use case anew.",
        )
    if len(left) < len(route.targets):
        gone = [one.model for one in route.targets if one not in left]
        _log.warning("The route %s of a release goes on without %s: no such provider", name, gone)
    return route.model_copy(update={"targets": left})


def _tell_changes(spec: str, recorded: Mapping[str, ModelRoute], gateway: Gateway) -> None:
    for name, route in recorded.items():
        if not gateway.knows(name) or _rules(gateway.route(name)) != _rules(route):
            _log.warning(
                "gateway.yaml says something else of the route %s than it did when a release with "
                "%s was judged; the release keeps to what it was judged with until it is "
                "released anew",
                name,
                spec,
            )


def _speaks_chat(gateway: Gateway, target: str) -> bool:
    upstream = gateway.target(target).upstream
    return not isinstance(upstream, HttpUpstream) or upstream.endpoint.wire == "chat"


def _in_words(error: LinesideError) -> str:
    return " ".join(part for part in (f"{error.message}.", error.hint) if part)
