"""How complete telemetry is: what spans say of themselves, and what they leave out."""

from lineside.traces.quality.quality import DAYS, TelemetryQuality, telemetry_quality

__all__ = ["DAYS", "TelemetryQuality", "telemetry_quality"]
