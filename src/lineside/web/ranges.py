"""A part of a file, as browsers ask for it that seek in sound; Safari plays none without."""

import re

from starlette.datastructures import Headers
from starlette.responses import Response

_ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


def ranged(headers: Headers, content: bytes, *, etag: str, media_type: str) -> Response:
    """The whole file, or the one part of it that is asked for.

    Several parts at once, or a range that is no range, are answered with the whole, as HTTP has it;
    so is a range that is asked for of another file than this one.

    Args:
        etag: Names the content; another content has another.
    """
    told = {"accept-ranges": "bytes", "etag": f'"{etag}"'}
    asked = _ONE_RANGE.fullmatch(headers.get("range", "").strip())
    is_other = headers.get("if-range", told["etag"]) != told["etag"]
    if asked is None or is_other or not (asked[1] or asked[2]):
        return Response(content, media_type=media_type, headers=told)
    size = len(content)
    if asked[1]:
        start = int(asked[1])
        end = min(int(asked[2]), size - 1) if asked[2] else size - 1
        if asked[2] and int(asked[2]) < start:
            return Response(content, media_type=media_type, headers=told)
    else:  # so many of the last bytes
        start, end = max(0, size - int(asked[2])), size - 1
    if start > end:
        return Response(status_code=416, headers=told | {"content-range": f"bytes */{size}"})
    told["content-range"] = f"bytes {start}-{end}/{size}"
    return Response(content[start : end + 1], 206, media_type=media_type, headers=told)
