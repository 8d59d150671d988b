"""Taking whole traces out of the lake, for good or to put them back otherwise."""

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

__all__ = [
    "Erased",
    "Expired",
    "Remapped",
    "Retention",
    "apply_everywhere",
    "apply_retention",
    "erase",
    "list_retentions",
    "remap",
    "retain",
]
