"""Door for programs: REST under `/api`."""

from lineside.api.app import build_api

__all__ = ["build_api"]
