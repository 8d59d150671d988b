"""Puts a peer into a temporary environment of its own, from the registry that `pip` would use."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from report import progress

BESIDE = Path(__file__).parent / "beside"
"""Small programs that run in a peer's environment and print one line of JSON."""

_INSTALL_SECONDS_MAX = 600


@contextmanager
def environment_with(*requirements: str) -> Iterator[Path | None]:
    """Give the folder of the environment's programs, or nothing where a peer cannot be installed.

    Installed anew each time and deleted afterwards, so that a measurement leaves nothing behind.
    """
    with TemporaryDirectory(prefix="lineside-peer-") as folder:
        programs = Path(folder) / "venv" / "bin"
        uv = str(Path(sys.executable).parent / "uv")
        started = time.perf_counter()
        commands = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(programs.parent)],
            [uv, "pip", "install", "--quiet", "--python", str(programs / "python"), *requirements],
        ]
        for command in commands:
            done = _run(command)
            if done:
                progress(f"  not installed: {', '.join(requirements)} ({done})")
                yield None
                return
        seconds = time.perf_counter() - started
        progress(f"  installed {', '.join(requirements)} in {seconds:.0f} s")
        yield programs


@contextmanager
def node_package(package: str) -> Iterator[tuple[str, Path, str] | None]:
    """Give the program `node`, the folder of a package for it, and its version; else nothing."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        progress(f"  not installed: {package} (no npm here)")
        yield None
        return
    with TemporaryDirectory(prefix="lineside-peer-") as name:
        said = _run([npm, "install", "--silent", "--prefix", name, package])
        folder = Path(name, "node_modules", *package.split("/"))
        if said or not folder.exists():
            progress(f"  not installed: {package} ({said})")
            yield None
            return
        yield node, folder, json.loads((folder / "package.json").read_text())["version"]


def version_of(programs: Path, package: str) -> str:
    """The version of a package that was installed."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run(
        [programs / "python", "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _run(command: list[str]) -> str:
    """Run to the end; empty where it went well, else the last line of what was said."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_INSTALL_SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)[:200]
    said = done.stderr.strip().splitlines()
    return (said[-1] if said else f"exit code {done.returncode}") if done.returncode else ""
