"""The four places where a package of yours can add to lineside, all on this page.

Declare an entry point in the package's own `pyproject.toml`, under the group named below; the name
of the entry point is the word a manifest uses:

    [project.entry-points."lineside.scorers"]
    politeness = "my_package.scoring:politeness"

| point | group | what the entry point gives |
|---|---|---|
| model provider | `lineside.models` | a `gateway.ModelProvider`; used as `app.model: name:…` |
| scorer | `lineside.scorers` | a function of one `evals.ScorerContext` to a number or bool |
| guard | `lineside.guards` | a function of one message to true, false or a text in its place |
| importer | `lineside.importers` | a function of one file path to rows |
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from lineside.core.errors import Invalid

PluginPoint = Literal["models", "scorers", "guards", "importers"]


@cache
def _installed(point: PluginPoint) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"lineside.{point}")}


def plugin_names(point: PluginPoint) -> list[str]:
    """Name what installed packages add at one point, sorted."""
    return sorted(_installed(point))


def load_plugin(point: PluginPoint, name: str) -> Any:
    """Import and return what a package offers under a name.

    Raises:
        Invalid: Nothing is installed under the name, or it fails while it is imported.
    """
    entry = _installed(point).get(name)
    if entry is None:
        raise Invalid(
            "plugin_not_installed",
            f"No plugin `{name}` is installed at the point `{point}`",
            hint=f"Installed: {', '.join(plugin_names(point)) or 'none'}.",
        )
    try:
        return entry.load()
    except Exception as error:
        raise Invalid(
            "plugin_broken",
            f"Plugin `{name}` ({entry.value}) failed while it was imported: {error}",
            hint="Fix or uninstall the package that offers it.",
        ) from error
