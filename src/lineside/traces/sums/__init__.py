"""What very many traces come to, kept by the hour and by the half day."""

from lineside.traces.sums.keeping import HOURS, Made, add_up, made, taken_out

__all__ = ["HOURS", "Made", "add_up", "made", "taken_out"]
