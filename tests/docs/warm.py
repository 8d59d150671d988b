"""Runs `lineside` as a terminal does, without importing the whole program anew for each command.

What a command does is the same, in a process of its own: its arguments, folder, environment,
streams, signals and exit code are those of the caller. Only it begins as a copy of a process that
has imported everything, which saves most of a second each time; that the program starts by itself
is tested where servers and commands are started plainly.
"""

import gc
import os
import pkgutil
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

ALSO_IMPORTED = (
    *("alembic.command", "alembic.config", "alembic.script", "dbos", "numpy", "orjson"),
    *("rich.live", "rich.progress", "rich.syntax", "rich.table", "sqlalchemy.dialects.sqlite"),
    *("uvicorn", "uvicorn.lifespan.on", "uvicorn.loops.uvloop", "uvloop", "httptools"),
    "uvicorn.protocols.http.httptools_impl",
)
# Python without its site packages starts in 10 ms.
CALLER = """\
#!{python} -IS
import marshal, os, signal, socket, struct, sys
if os.environ.get("PYTHONPATH", "") != {path!r}:  # other modules than those imported there
    os.execv({python!r}, [{python!r}, "-m", "lineside", *sys.argv[1:]])
asked = socket.socket(socket.AF_UNIX)
asked.connect({address!r})
request = marshal.dumps((sys.argv[1:], os.getcwd(), dict(os.environb)))
socket.send_fds(asked, [struct.pack("i", len(request))], [0, 1, 2])
asked.sendall(request)
for stream in (0, 1, 2):
    os.close(stream)
(runs,) = struct.unpack("i", asked.recv(4))
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, lambda number, frame: os.kill(runs, number))
(code,) = struct.unpack("i", asked.recv(4))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@contextmanager
def warm_commands(folder: Path) -> Iterator[Path]:
    """A folder for the PATH in which `lineside` begins as a copy of one that is imported."""
    address = str(folder / "asked")
    binaries = folder / "bin"
    binaries.mkdir()
    caller = binaries / "lineside"
    python, path = sys.executable, os.environ.get("PYTHONPATH", "")
    caller.write_text(CALLER.format(python=python, path=path, address=address), "utf-8")
    caller.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, __file__, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    try:
        yield binaries
    finally:
        process.stdin.close()
        process.wait(20)


def main(address: str) -> None:
    """Answer callers until stdin closes."""
    import_everything()
    assert threading.active_count() == 1, "a copy has no other threads than the one that copies"
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(20)
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(ended, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    callers: dict[int, socket.socket] = {}
    os.write(1, b"ready\n")
    while True:
        ready, _, _ = select.select([0, listener, ended], [], [])
        if 0 in ready:
            return
        if ended in ready:
            os.read(ended, 1000)
            tell_ended(callers)
        if listener in ready:
            caller, _ = listener.accept()
            running = os.fork()
            if not running:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for other in (listener, *callers.values()):
                    other.close()
                os.close(ended)
                os.close(wake)
                run(caller)
            callers[running] = caller
            with suppress(BrokenPipeError):
                caller.sendall(struct.pack("i", running))


def tell_ended(callers: dict[int, socket.socket]) -> None:
    while callers:
        running, status = os.waitpid(-1, os.WNOHANG)
        if not running:
            return
        with callers.pop(running) as caller, suppress(BrokenPipeError):
            caller.sendall(struct.pack("i", os.waitstatus_to_exitcode(status)))


def run(caller: socket.socket) -> None:
    """Become the command that the caller was started as."""
    import marshal

    from lineside.cli import main as lineside

    head, streams, _, _ = socket.recv_fds(caller, 4, 3)
    (size,) = struct.unpack("i", head)
    request = b""
    while len(request) < size:
        request += caller.recv(size - len(request))
    caller.close()
    arguments, folder, environment = marshal.loads(request)  # noqa: S302 # of our own caller
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 # they stay open to the end
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 # the same
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115 # the same
    os.chdir(folder)
    os.environ.clear()
    os.environb.update(environment)
    sys.argv = ["lineside", *arguments]
    lineside()


def import_everything() -> None:
    import lineside

    for module in pkgutil.walk_packages(lineside.__path__, "lineside."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            import_module(module.name)
    for name in ALSO_IMPORTED:
        import_module(name)


if __name__ == "__main__":
    main(sys.argv[1])
