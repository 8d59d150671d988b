"""Python files that people put into the folder of their use case, loaded as modules."""

import sys
from hashlib import sha256
from threading import RLock
from types import ModuleType

from lineside.core.errors import Invalid

_loading = RLock()


def load_file(content: bytes, *, path: str, kind: str, name: str) -> ModuleType:
    """Run a file once, and give the same module for the same path and content ever after.

    It is somebody's own code and runs with the rights of this process.

    Args:
        path: Within the use case, as error messages and tracebacks show it.
        kind: What it is loaded for, as `scorer`; begins the code of the error.
        name: What the manifest calls it.

    Raises:
        Invalid: `KIND_broken` where the file fails while it runs.
    """
    private = f"lineside_{kind}_{sha256(path.encode() + content).hexdigest()[:16]}"
    with _loading:
        if private in sys.modules:
            return sys.modules[private]
        module = ModuleType(private)
        module.__file__ = path
        # Dataclasses and typing look their module up by name while the code runs.
        sys.modules[private] = module
        try:
            exec(compile(content, path, "exec"), module.__dict__)  # noqa: S102 # as said above
        except Exception as error:
            del sys.modules[private]
            raise Invalid(
                f"{kind}_broken",
                f"{kind.capitalize()} `{name}`: `{path}` failed while it was loaded: "
                f"{type(error).__name__}: {error}",
                hint="Run the file with Python to see where.",
            ) from error
        return module
