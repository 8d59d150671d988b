"""Door for people: server-rendered pages."""

from lineside.web.app import build_web
from lineside.web.reviewers import KeptToReviews

__all__ = ["KeptToReviews", "build_web"]
