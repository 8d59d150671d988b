"""A running server, and pages of it in a real Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

DESK, PHONE = 1280, 390
# What a browser does by itself would only wait for a network that tests do not have.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]

OpenPage = Callable[..., AbstractContextManager[Page]]


@contextmanager
def running(root: Path) -> Iterator[str]:
    """Run `lineside up` over the state folder `home` of a folder; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (root / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lineside", "up", "--port", str(port)],
            env=os.environ | {"LINESIDE_HOME": str(root / "home"), "LINESIDE_USER": "ann"},
            cwd=root,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until_up(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def wait_until_up(address: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert process.poll() is None, "the server ended before it answered"
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError("the server did not answer within 30 s")


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """A browser of this machine that asks nothing of its own of the network."""
    with sync_playwright() as playwright:
        own = shutil.which("chromium") or shutil.which("chromium-browser")
        opened = playwright.chromium.launch(executable_path=own, args=QUIET)
        yield opened
        opened.close()


def pages_of(browser: Browser, server: str) -> OpenPage:
    """Open pages of one size and scheme; afterwards, nothing may have gone wrong on any of them."""

    @contextmanager
    def opened(width: int = DESK, scheme: str = "light", *, script: bool = True) -> Iterator[Page]:
        context = browser.new_context(
            base_url=server,
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            java_script_enabled=script,
        )
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        hosts: set[str | None] = set()
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        yield page
        context.close()
        assert complaints == []
        assert hosts == {"127.0.0.1"}

    return opened


def scrolled_sideways(page: Page) -> int:
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(page.evaluate(width))
