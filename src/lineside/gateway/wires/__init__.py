"""The wires that models and callers speak, each read into the canonical form and written from it.

A wire carries no guard, no budget and no trace: it only translates, and does no I/O.
"""

from lineside.gateway.wires import embeddings
from lineside.gateway.wires.errors import status_of, write_error, write_stream_error
from lineside.gateway.wires.fields import read_object
from lineside.gateway.wires.responses_request import input_items, refuse_stored
from lineside.gateway.wires.responses_stream import ResponsesStreamWriter
from lineside.gateway.wires.wire import Wire, wire_named

__all__ = [
    "ResponsesStreamWriter",
    "Wire",
    "embeddings",
    "input_items",
    "read_object",
    "refuse_stored",
    "status_of",
    "wire_named",
    "write_error",
    "write_stream_error",
]
