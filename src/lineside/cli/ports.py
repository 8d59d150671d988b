"""Is a port free, and if not, who has it."""

import errno
import socket
from contextlib import suppress
from pathlib import Path

from lineside.core import Conflict, Denied

_PROCESSES_MAX = 20_000


def take_port(host: str, port: int) -> socket.socket:
    """Bind a port for the server; the caller listens on it or closes it.

    Raises:
        Conflict: Somebody listens there; names the process where the system tells.
        Denied: The system does not let us have it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        # Two may be bound to one port until one of them listens; do it now, so that we know.
        taken.listen(2048)
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            holder = holder_of(port)
            raise Conflict(
                "port_taken",
                f"Port {port} on {host} is taken" + (f" by {holder}" if holder else ""),
                hint=f"Stop that process, or take another port: `lineside up --port {port + 1}`.",
            ) from error
        raise Denied(
            "port_refused",
            f"The system does not let us listen on {host}:{port}: {error.strerror}",
            hint="Take a port from 1024 on, such as `lineside up --port 7710`.",
        ) from error
    return taken


def free_port(host: str, wanted: int) -> int:
    """The port wanted if it is free, else one that the system gives."""
    with suppress(Conflict, Denied):
        take_port(host, wanted).close()
        return wanted
    given = take_port(host, 0)
    port = int(given.getsockname()[1])
    given.close()
    return port


def holder_of(port: int) -> str | None:
    """Name and id of the process that listens on a port, where the system lets us see it."""
    sockets = _listening_sockets(port)
    if not sockets:
        return None
    for process in list(Path("/proc").glob("[0-9]*"))[:_PROCESSES_MAX]:
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                if str(descriptor.readlink()) in sockets:
                    name = (process / "comm").read_text().strip()
                    return f"`{name}` (pid {process.name})"
    return None


def _listening_sockets(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError, ValueError, IndexError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                is_listening = fields[3] == "0A"
                if is_listening and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{fields[9]}]")
    return found
