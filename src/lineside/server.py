"""Composition root: settings in, running server out."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from ipaddress import ip_address

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lineside import stats
from lineside.api import (
    AnsweringDoor,
    OtlpGrpc,
    annotation_routes,
    build_api,
    door_paths,
    finish_answers,
    model_routes,
    otlp_routes,
    wire_refusal,
)
from lineside.apps import (
    Serving,
    enforcement,
    guards_file,
    model_calls,
    open_line,
    passed_through,
    staged,
)
from lineside.core import Denied, LinesideError, Settings, Unavailable
from lineside.evals import list_runs
from lineside.store import Store
from lineside.trust import Scope as TrustScope
from lineside.trust import local_scope, webhooks
from lineside.web import KeptToReviews, build_web

_WARM_AFTER_SECONDS = 5.0
_FINISH_SECONDS = 10.0
_CANCELS_MAX = 20
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_GUARDS_SAID = {"state", "proven", "probed_at", "ways_in", "ways_in_proven"}
_UNKEPT = ("/v1/", "/health")
_PASSED = re.compile(r".*/(files|batches|audio|images)(/.*)?")
_BATCHES = re.compile(r".*/usecases/[^/]+/batches")
_LOCAL_NAMES = ["127.0.0.1", "localhost", "[::1]"]


def build(settings: Settings | None = None) -> Starlette:
    """Open the state folder and put the whole server together.

    Raises:
        Denied: The address is not loopback; sign-in does not exist yet.
        Conflict: Another server already holds the state folder.
        Unavailable: The state folder or the database cannot be used.
    """
    settings = settings or Settings.from_environment()
    refuse_open_address(settings.host)
    store = open_line(settings)
    serving = Serving(store)
    try:
        plain = guards_file.GuardsFile(settings.home / guards_file.GUARDS_FILE)
        models = model_calls.open_model_calls(settings, serving, plain)
        lock = store.claim_server(f"{settings.address} (pid {os.getpid()})")
    except LinesideError:
        store.close()
        raise
    local = local_scope(store)
    passed = passed_through.PassedCalls(models.gateway, serving.meter, plain)
    guarding = enforcement.Enforcement(local, serving, plain=plain, unguarded=passed.unguarded())
    deliverer = webhooks.Deliverer(store)
    otlp_grpc = OtlpGrpc(local)
    watcher = staged.Watcher(local, every_seconds=settings.rollout_watch_seconds)
    answered, visited = asyncio.Event(), asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        store.flushing.start()
        otlp_grpc.start()
        # The first page must not wait for the jobs' and the models' imports.
        store.jobs.keep_recovering(after_seconds=2)
        watcher.start()
        app.state.warming = asyncio.create_task(_warm(serving, local, answered))
        probing = _probe(guarding, answered, settings.guard_probe_seconds)
        others = [_warm_pages(serving, local, visited), probing, deliverer.keep_delivering()]
        behind = [app.state.warming, *map(asyncio.create_task, others)]
        yield
        await _end(behind)
        await asyncio.to_thread(watcher.stop)
        await asyncio.to_thread(otlp_grpc.stop)
        await finish_answers(seconds_max=_FINISH_SECONDS)
        await models.close()
        await serving.close()
        # Jobs refuse to be asked on a loop what they leave unfinished.
        await asyncio.to_thread(store.close)
        lock.release()

    doors, (large, small, api_small) = model_routes(local, models, passed), _body_limits(settings)
    server = Starlette(
        routes=[
            # Traces come in larger bodies than anything else; their routes count by themselves.
            *(*_answering(doors, settings), *otlp_routes(local), *annotation_routes(local)),
            *[Route(at, _health(store, otlp_grpc, guarding)) for at in ("/healthz", "/health")],
            Mount("/v1", routes=doors, middleware=large),
            Mount("/api", build_api(local, serving, enforcement=guarding), middleware=api_small),
            Mount("/", build_web(local, serving, enforcement=guarding), middleware=small),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=_LOCAL_NAMES),
            Middleware(Doorkeeper, answered=answered, visited=visited),
            Middleware(KeptToReviews),
        ],
        lifespan=lifespan,
    )
    guarding.knock_at(door_paths(server, guarding.fields_of))
    return server


def _answering(doors: Sequence[Route], settings: Settings) -> list[Route]:
    """The doors where models answer once more, ahead of all that might be meant instead.

    Whoever knocks there in another way finds them again among the others.
    """
    limit = [Middleware(BodyLimit, settings, "model_bytes_max", refuse=wire_refusal)]
    return [
        Route(f"/v1{door.path}", door.endpoint, methods=door.methods, middleware=limit)
        for door in doors
        if isinstance(door.endpoint, AnsweringDoor)
    ]


def _body_limits(settings: Settings) -> tuple[list[Middleware], ...]:
    """How large a body may be: at the doors of models, at pages, and at the API."""
    unread = {_PASSED: "pass_through_bytes_max"}
    batches = {_BATCHES: "batch_bytes_max"}
    return (
        [Middleware(BodyLimit, settings, "model_bytes_max", larger=unread, refuse=wire_refusal)],
        [Middleware(BodyLimit, settings, "request_bytes_max")],
        [Middleware(BodyLimit, settings, "request_bytes_max", larger=batches)],
    )


async def _end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Cancel tasks until they are done: a wait that is over just then may swallow the first."""
    left = set(tasks)
    for _ in range(_CANCELS_MAX):
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.5)
        if not left:
            return


def _health(
    store: Store, otlp_grpc: OtlpGrpc, guarding: enforcement.Enforcement
) -> Callable[[Request], Awaitable[Response]]:
    async def health(request: Request) -> Response:
        error, waiting = store.flushing.last_error, None
        try:
            waiting = await asyncio.to_thread(store.inbox.count)
        except Unavailable as away:
            error = away.message
        if guarding.plain:
            await asyncio.to_thread(guarding.plain.look)
        guards = guarding.coverage.view()
        unread = guarding.plain.problem if guarding.plain else None
        is_degraded = bool(error or unread) or guards.state == "not enforced"
        state = {
            "status": "degraded" if is_degraded else "ok",
            "is_warm": request.app.state.warming.done(),
            "inbox_rows": waiting,
            "lake": error,
            "otlp_grpc": otlp_grpc.state._asdict(),
            "guards": guards.model_dump(mode="json", include=_GUARDS_SAID)
            | {
                "file": unread,
                "file_loading": guarding.plain.loading if guarding.plain else None,
                "unguarded_by_design": [one.label for one in guarding.unguarded],
            },
        }
        return JSONResponse(state, status_code=503 if is_degraded else 200)

    return health


def refuse_open_address(host: str) -> None:
    """Let nobody but this machine in as long as there is no sign-in."""
    try:
        is_loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise Denied(
            "address_not_loopback",
            f"lineside will not listen on `{host}`: whoever reaches that address could do anything",
            hint="Sign-in is not built yet. Use 127.0.0.1, and a tunnel or proxy with a login.",
        )


class Doorkeeper:
    """Turns away the pages of other sites, and notes when the first request has its answer.

    A visit is the first one that looks at what is kept.

    A browser says where a request comes from (`Sec-Fetch-Site`); a page of another site must not
    deploy anything with the person's own machine as its hands.
    """

    def __init__(self, app: ASGIApp, *, answered: asyncio.Event, visited: asyncio.Event) -> None:
        self._app = app
        self._answered, self._visited = answered, visited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        site = headers.get(b"sec-fetch-site", b"none")
        if scope["method"] not in _SAFE_METHODS and site not in (b"same-origin", b"none"):
            refusal = _refusal(
                403, "foreign_site", "A page of another site may change nothing here"
            )
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)
        self._answered.set()
        if scope["method"] == "GET" and not scope["path"].startswith(_UNKEPT):
            self._visited.set()


def _refusal(status: int, code: str, message: str, hint: str | None = None) -> Response:
    return JSONResponse({"error": {"code": code, "message": message, "hint": hint}}, status)


def _too_large(_request: Request, error: LinesideError) -> Response:
    return _refusal(413, error.code, error.message, error.hint)


class BodyLimit:
    """Turns away bodies larger than a door takes, those that do not say how large they are too.

    Args:
        limit: Name of the setting that says how many bytes a body may have.
        larger: Names of others, by the paths that they count for.
        refuse: Says it in the words of the door.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        limit: str,
        *,
        larger: Mapping[re.Pattern[str], str] | None = None,
        refuse: Callable[[Request, LinesideError], Response] = _too_large,
    ) -> None:
        self._app, self._settings, self._limit = app, settings, limit
        self._larger = larger or {}
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        found = (name for path, name in self._larger.items() if path.fullmatch(scope["path"]))
        name = next(found, self._limit)
        bytes_max = getattr(self._settings, name)
        error = Unavailable(
            "body_too_large",
            f"The body is larger than {bytes_max:,} bytes",
            hint=f"Send less, or raise `LINESIDE_{name.upper()}` where lineside runs.",
        )
        if int(headers.get(b"content-length", b"0") or 0) > bytes_max:
            await self._refuse(Request(scope), error)(scope, receive, send)
            return
        await self._app(scope, _counting(receive, bytes_max, error), send)


def _counting(receive: Receive, bytes_max: int, error: LinesideError) -> Receive:
    seen = 0

    async def count() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > bytes_max:
            raise error
        return message

    return count


async def _probe(
    guarding: enforcement.Enforcement, answered: asyncio.Event, every_seconds: float
) -> None:
    """Prove that the guards act, and prove it again; the first request does not wait for it."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(answered.wait(), _WARM_AFTER_SECONDS)
    await guarding.keep_probing(every_seconds=every_seconds)


async def _warm(serving: Serving, local: TrustScope, answered: asyncio.Event) -> None:
    """Open ahead of the first call what takes time, but not while the first page is waited for."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(answered.wait(), _WARM_AFTER_SECONDS)
    with contextlib.suppress(LinesideError):  # what cannot open says so to whoever asks for it
        await serving.warm(local)


async def _warm_pages(serving: Serving, local: TrustScope, visited: asyncio.Event) -> None:
    """Open what pages read, once somebody looks: it takes as much memory as all else together."""
    await visited.wait()
    with contextlib.suppress(LinesideError):
        if await serving.warm(local):
            await asyncio.to_thread(local.store.lake.open)
        # The first interval loads numpy and scipy: half a second that a run's page need not wait.
        if await asyncio.to_thread(list_runs, local, limit=1):
            await asyncio.to_thread(lambda: stats.mean_interval([0.0, 0.5, 1.0]))
