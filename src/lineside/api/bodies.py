"""Reads the body of a request up to a limit, so that a large one does not fill the memory."""

from starlette.requests import Request

from lineside.core import Unavailable


async def read_body(request: Request, *, bytes_max: int) -> bytes:
    """The whole body.

    Raises:
        Unavailable: It is longer than `bytes_max`; no more of it was read.
    """
    pieces, seen = [], 0
    async for piece in request.stream():
        seen += len(piece)
        if seen > bytes_max:
            raise Unavailable(
                "body_too_large",
                f"The body is larger than {bytes_max:,} bytes",
                hint="Send less at once.",
            )
        pieces.append(piece)
    return b"".join(pieces)
