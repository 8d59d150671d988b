"""Door for terminals. Commands are imported when they are called, so that help is quick."""

from lineside.cli.main import main

__all__ = ["main"]
