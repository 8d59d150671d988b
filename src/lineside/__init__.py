"""lineside: from what customers say to a released, watched and proven AI app."""

__version__ = "0.1.0"
