"""Door for people: server-rendered pages."""

from lineside.web.app import build_web

__all__ = ["build_web"]
