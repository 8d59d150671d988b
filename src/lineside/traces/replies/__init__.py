"""Answers as they were sent, kept beside their trace for a while; they go when the trace goes."""

from lineside.traces.replies.replies import (
    REPLY_BYTES_MAX,
    Reply,
    find_reply,
    forget_replies,
    keep_reply,
)

__all__ = ["REPLY_BYTES_MAX", "Reply", "find_reply", "forget_replies", "keep_reply"]
