"""Events as Langfuse's clients before 5 send them: a step said in pieces, put together here.

A piece waits in the inbox until its trace is quiet; then all pieces of a step become the one step
that an export of Langfuse would hold. One that comes later still is put on the step it is of.
"""

from lineside.traces.ingested.gathering import gather
from lineside.traces.ingested.receiving import EventRefused, EventsTaken, receive_events

__all__ = ["EventRefused", "EventsTaken", "gather", "receive_events"]
