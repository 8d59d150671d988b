"""Taking whole traces out of the lake, for good or to put them back otherwise."""

from lineside.traces.rewriting.disown import disown, traces_of
from lineside.traces.rewriting.erase import Erased, erase
from lineside.traces.rewriting.remap import Remapped, remap
from lineside.traces.rewriting.retention import (
    Expired,
    Retention,
    apply_everywhere,
    apply_retention,
    list_retentions,
    retain,
)
from lineside.traces.rewriting.strays import place_strays

__all__ = [
    "Erased",
    "Expired",
    "Remapped",
    "Retention",
    "apply_everywhere",
    "apply_retention",
    "disown",
    "erase",
    "list_retentions",
    "place_strays",
    "remap",
    "retain",
    "traces_of",
]
