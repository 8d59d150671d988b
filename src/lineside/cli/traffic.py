"""The demo's own server, and real requests to it over HTTP."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from lineside.core import Settings, Unavailable

if TYPE_CHECKING:
    import aiohttp

_READY_SECONDS = 40.0
_WARM_SECONDS = 5.0
_POLL_SECONDS = 0.05
_STOP_SECONDS = 15.0
_REQUEST_SECONDS = 30.0
_LOG_LINES = 5


class OwnServer:
    """`lineside up` in a process of its own, known by its id; its log lies in the state folder."""

    def __init__(self, settings: Settings) -> None:
        self.address = settings.address
        self.log = settings.home.absolute() / "demo-server.log"
        environment = os.environ | {
            "LINESIDE_HOME": str(settings.home.absolute()),
            "LINESIDE_HOST": settings.host,
            "LINESIDE_PORT": str(settings.port),
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # our own command
                [sys.executable, "-m", "lineside", "up", "--json"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                # Ctrl-C in the terminal is for the demo, which then stops its server in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> float:
        """Wait for the first answered page and return the seconds since now.

        Raises:
            Unavailable: The server ended or gave no answer in time; says what it wrote last.
        """
        from urllib.error import URLError
        from urllib.request import urlopen

        started = time.monotonic()
        while time.monotonic() - started < _READY_SECONDS:
            if self._process.poll() is not None:
                raise self._trouble("The server ended before it answered")
            try:
                with urlopen(f"{self.address}/", timeout=_READY_SECONDS) as page:  # noqa: S310 # http, on loopback
                    page.read()
                return time.monotonic() - started
            except (URLError, OSError):
                time.sleep(_POLL_SECONDS)
        raise self._trouble(f"The server did not answer within {_READY_SECONDS:.0f} s")

    def wait_until_warm(self) -> None:
        """Wait, for a few seconds at most, until model and lake are open for the first caller."""
        from urllib.request import urlopen

        give_up = time.monotonic() + _WARM_SECONDS
        while time.monotonic() < give_up:
            with urlopen(f"{self.address}/healthz", timeout=_READY_SECONDS) as health:  # noqa: S310 # http, on loopback
                if b'"is_warm":true' in health.read():
                    return
            time.sleep(_POLL_SECONDS)

    def wait(self) -> int:
        """Wait until the server ends by itself and return its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """Stop the server in order; end it by force if it does not heed."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _trouble(self, message: str) -> Unavailable:
        lines = self.log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES:]
        said = "\n".join(lines)
        return Unavailable(
            "demo_server_failed", f"{message}:\n{said}", hint=f"Its whole log: `{self.log}`."
        )


class Served(NamedTuple):
    """What came back for one request."""

    status: int
    seconds: float
    answer: dict[str, Any]
    is_right: bool


@dataclass(frozen=True)
class Load:
    """Requests that were sent and answered.

    Attributes:
        seconds: From the first request to the last answer.
    """

    served: Sequence[Served]
    seconds: float

    @property
    def right(self) -> int:
        return sum(one.is_right for one in self.served)

    @property
    def errors(self) -> int:
        return sum(one.status != 200 for one in self.served)

    @property
    def handed_off(self) -> int:
        return sum(bool(one.answer.get("hand_off")) for one in self.served)

    def latency_ms(self, share: float) -> float:
        """Latency that this share of the requests did not exceed, in milliseconds."""
        ordered = sorted(one.seconds for one in self.served)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def send_requests(
    address: str,
    use_case: str,
    cases: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
    *,
    requests: int,
    clients: int,
) -> Load:
    """Send inputs to a served app, several clients at once over kept connections.

    Args:
        cases: Inputs with what is expected; taken again from the start when there are fewer.
    """
    work = list(islice(cycle(cases), requests))
    return asyncio.run(_send(f"{address}/api/usecases/{use_case}/run", work, clients=clients))


def give_thumb(address: str, feedback: Mapping[str, Any]) -> dict[str, Any]:
    """Give feedback on an answer over HTTP and return what was kept."""

    async def post() -> dict[str, Any]:
        import aiohttp

        async with aiohttp.ClientSession() as session:
            answer = await session.post(f"{address}/api/feedback", json=dict(feedback))
            answer.raise_for_status()
            kept: dict[str, Any] = await answer.json()
            return kept

    return asyncio.run(post())


async def _send(
    url: str, work: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], *, clients: int
) -> Load:
    import aiohttp

    waiting = iter(work)
    served: list[Served] = []
    limit = aiohttp.ClientTimeout(total=_REQUEST_SECONDS)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=clients), timeout=limit
    ) as session:

        async def client() -> None:
            for payload, expected in waiting:
                served.append(await _ask(session, url, payload, expected))

        started = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        return Load(served, time.perf_counter() - started)


async def _ask(
    session: "aiohttp.ClientSession",
    url: str,
    payload: Mapping[str, Any],
    expected: Mapping[str, Any],
) -> Served:
    started = time.perf_counter()
    async with session.post(url, json={"input": dict(payload)}) as response:
        answer = await response.json()
        seconds = time.perf_counter() - started
        output = answer.get("output") or {}
        is_right = all(output.get(name) == value for name, value in expected.items())
        return Served(response.status, seconds, answer | {"expected": dict(expected)}, is_right)
