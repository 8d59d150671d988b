"""Models of files on this machine as a provider: each asked over loopback in its own process."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lineside.core import Invalid, NotFound, Record, did_you_mean
from lineside.gateway.calls.endpoint import Endpoint, Seconds
from lineside.gateway.calls.failures import Passing
from lineside.gateway.calls.upstream import HttpUpstream
from lineside.gateway.canonical.events import AnswerEvent
from lineside.gateway.canonical.parts import MediaPart
from lineside.gateway.canonical.request import ModelRequest
from lineside.gateway.gguf import Engine, EngineSetup, Running, engine_for, find_weights
from lineside.gateway.wires.wire import left_out, wire_named

LOCAL = "gguf"
"""The provider's name, in a manifest and by the doors alike; nothing else may bear it."""

WAITING_MAX = 32
"""Calls of one model that may be under way: one is answered, the others wait in order."""

CONTEXT_TOKENS = 4096
_THREADS_MAX = 8
# Of what only llama.cpp knows. Other words of it, such as `n_predict`, undo limits that are set.
_TAKEN = {"chat_template_kwargs", "grammar", "logit_bias", "min_p", "repeat_penalty"}

ContextTokens = Annotated[int, Field(ge=256, le=1_048_576)]
Threads = Annotated[int, Field(ge=1, le=256)]


class LocalModel(Record):
    """A model file of `gateway.yaml`.

    Attributes:
        file: Its path: whole, or beside `gateway.yaml`, or in the models folder, or an installed
            package and a file in it.
        context_tokens: Longest question and answer together; memory grows with it.
        threads: Cores it may use while it answers; unless given all that there are, up to 8.
        first_token_s: Longest wait for the first piece of a streamed answer, that for other calls
            of the model included.
        total_s: Longest time that one answer may take, that wait included.
    """

    file: str
    context_tokens: ContextTokens = CONTEXT_TOKENS
    threads: Threads | None = None
    first_token_s: Seconds = 300.0
    total_s: Seconds = 600.0


class GgufUpstream:
    """A provider whose models are files, loaded when they are first asked.

    Args:
        models: By the name that a caller gives.
        folder: Where their files are looked for first.
    """

    def __init__(self, models: Mapping[str, LocalModel], folder: Path | None = None) -> None:
        self._models = models
        self._folder = folder
        self._lock = threading.Lock()
        self._engines: dict[str, Engine] = {}
        self._doors: dict[str, tuple[Running, HttpUpstream]] = {}
        self._left: list[HttpUpstream] = []
        self._waiting: dict[str, int] = {}
        # A thread for each, so that whoever waits for one to load takes none from anybody else.
        self._loading: dict[str, ThreadPoolExecutor] = {}
        self._wire = wire_named("chat")

    async def events(self, request: ModelRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See `Upstream`; the model stops writing as soon as nobody asks on."""
        name = request.model
        with self._place_in_line(name):
            door = await self._door(name)
            self._refuse_unheard(request)
            extras = {word: request.extras[word] for word in request.extras if _is_taken(word)}
            asked = request.model_copy(update={"extras": extras})
            async with aclosing(door.events(asked)) as events:
                async for event in events:
                    yield event

    async def count(self, request: ModelRequest) -> int:
        """Tokens that a request has, by the model's own tokenizer and chat template."""
        door = await self._door(request.model)
        self._refuse_unheard(request)
        body = wire_named("messages").write_request(request)
        reply = await door.post("/messages/count_tokens", body, model=request.model)
        return int(reply["input_tokens"])

    def unsaid(self, request: ModelRequest) -> list[str]:
        """See `Upstream`."""
        unknown = [word for word in request.extras if not _is_taken(word)]
        return sorted({*left_out(request, self._wire), *unknown})

    def where(self, model: str) -> str:
        """The model as an error names it."""
        return f"`{LOCAL}/{model}` on this machine"

    async def close(self) -> None:
        """End the processes that nobody else asks."""
        with self._lock:
            engines, self._engines = self._engines, {}
            doors, self._doors = self._doors, {}
            left, self._left = self._left, []
            threads, self._loading = self._loading, {}
        for one in threads.values():
            one.shutdown(wait=False, cancel_futures=True)
        for door in [*left, *(door for _, door in doors.values())]:
            await door.close()
        for engine in engines.values():
            await asyncio.to_thread(engine.leave)

    async def _door(self, name: str) -> HttpUpstream:
        """The way to a process that has the model, started where there is none."""
        known = self._doors.get(name)
        if known is not None and known[0].is_alive:
            return known[1]
        self._model(name)
        with self._lock:
            thread = self._loading.get(name) or ThreadPoolExecutor(1, f"lineside-{LOCAL}")
            self._loading[name] = thread
        return await asyncio.get_running_loop().run_in_executor(thread, self._open, name)

    def _open(self, name: str) -> HttpUpstream:
        model = self._model(name)
        with self._lock:
            if name not in self._engines:
                folders = [self._folder] if self._folder else []
                setup = EngineSetup(
                    path=find_weights(model.file, *folders),
                    context_tokens=model.context_tokens,
                    threads=model.threads or _threads(),
                )
                self._engines[name] = engine_for(setup)
            engine = self._engines[name]
        running = engine.start()
        with self._lock:
            known = self._doors.get(name)
            if known is None or known[0] is not running:
                if known is not None:
                    self._left.append(known[1])
                endpoint = Endpoint(
                    base_url=f"{running.address}/v1",
                    headers={
                        "Authorization": f"Bearer {running.key}",
                        # Its server ends idle connections just when the next call may take one.
                        "Connection": "close",
                    },
                    first_token_s=model.first_token_s,
                    total_s=model.total_s,
                )
                known = self._doors[name] = (running, HttpUpstream("this machine", endpoint))
        return known[1]

    def _model(self, name: str) -> LocalModel:
        model = self._models.get(name)
        if model is None:
            near = did_you_mean(name, self._models)
            known = ", ".join(f"`{LOCAL}/{word}`" for word in self._models)
            raise NotFound(
                "unknown_model",
                f"`gateway.yaml` names no model `{name[:80]}` under `{LOCAL}`",
                hint=f"Did you mean `{LOCAL}/{near}`?" if near else f"Models: {known}.",
            )
        return model

    def _refuse_unheard(self, request: ModelRequest) -> None:
        """Refuse what the model would not see, rather than answer as if it had not been said."""
        what = None
        if any(isinstance(part, MediaPart) for turn in request.turns for part in turn.parts):
            what = "reads words alone, no pictures and files"
        elif request.tools and not self._doors[request.model][0].takes_tools:
            what = "was not made to call tools"
        elif (request.choices_wanted or 1) > 1:
            what = "gives one answer to a call (`n`)"
        if what is not None:
            raise Invalid(
                "not_on_this_wire",
                f"{self.where(request.model)} {what}",
                hint="Leave that out, or ask a model that has words for it.",
            )

    @contextmanager
    def _place_in_line(self, name: str) -> Iterator[None]:
        with self._lock:
            waiting = self._waiting.get(name, 0)
            if waiting >= WAITING_MAX:
                raise Passing(
                    "model_rate_limited",
                    f"{self.where(name)} answers one call at a time, and {waiting} are under way",
                    hint="Try again in a moment, or give the route another target.",
                )
            self._waiting[name] = waiting + 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting[name] -= 1


def _is_taken(word: str) -> bool:
    return word in _TAKEN or word.startswith("~")


def _threads() -> int:
    """As many as the cores that this process may use, within reason."""
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, min(cores, _THREADS_MAX))
