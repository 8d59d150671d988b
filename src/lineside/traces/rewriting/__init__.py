"""Taking whole traces out of the lake and putting them back otherwise, or not at all."""

from lineside.traces.rewriting.erase import Erased, erase
from lineside.traces.rewriting.remap import Remapped, remap

__all__ = ["Erased", "Remapped", "erase", "remap"]
