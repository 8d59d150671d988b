"""A guard of one's own: a function of one message, in the folder or in an installed package.

    def names_no_competitor(message: str) -> bool:
        return "Initech" not in message

True lets the message pass, False holds it back, a text takes its place. All else is an error, and
an error is a no.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lineside.core import Invalid, did_you_mean, own_code, plugins
from lineside.guardrails.guard import Caught, Check, Passage

OwnGuard = Callable[..., "bool | str"]


def from_package(name: str, arguments: Mapping[str, Any]) -> Check:
    """The guard that an installed package offers under a name, called with these arguments."""
    return as_check(name, plugins.load_plugin("guards", name), arguments)


def from_file(function: str, *, files: Mapping[str, bytes]) -> Check:
    """The function of a file of the use case, as `guards/own.py:names_no_competitor`.

    It is somebody's own code and runs with the rights of the server; deploy only what you would
    run yourself.

    Raises:
        Invalid: There is no such file or function, or the file fails while it is loaded.
    """
    path, _, word = function.rpartition(":")
    if path not in files:
        raise Invalid("guard_file_missing", f"Guard `{word}`: there is no file `{path}`")
    module = own_code.load_file(files[path], path=path, kind="guard", name=word)
    found = getattr(module, word, None)
    if not callable(found):
        near = did_you_mean(word, [key for key, item in vars(module).items() if callable(item)])
        raise Invalid(
            "guard_function_missing",
            f"`{path}` has no function `{word}`",
            hint=f"Did you mean `{near}`?" if near else "It takes one message, a text.",
        )
    return as_check(word, found, {})


def as_check(name: str, function: OwnGuard, arguments: Mapping[str, Any]) -> Check:
    """What a chain can call, of a function of one message."""
    if inspect.iscoroutinefunction(function):

        async def check_later(passage: Passage) -> Caught | None:
            return _caught(name, await function(passage.text, **arguments))

        return check_later

    def check(passage: Passage) -> Caught | None:
        return _caught(name, function(passage.text, **arguments))

    return check


def _caught(name: str, said: object) -> Caught | None:
    if said is True:
        return None
    if said is False:
        return Caught(f"`{name}` says no")
    if isinstance(said, str):
        return Caught(f"`{name}` changed it", replacement=said)
    raise TypeError(f"it gave {type(said).__name__}, expected true, false or a text")
