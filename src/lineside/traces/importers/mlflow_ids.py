"""Ids as MLflow writes them."""

import base64
import binascii
from typing import Any

from lineside.traces.importers.steps import hex_id


def plain_id(value: Any, digits: int) -> Any:
    """An id in hexadecimal where MLflow wrote it in base64 or as a number; else as it is."""
    if not isinstance(value, str) or not value:
        return value
    text = value.rpartition("/")[2] if value.startswith("trace:/") else value.removeprefix("tr-")
    if text.startswith("0x"):
        return text[2:].zfill(digits)
    if hex_id(text, digits) == text:
        return text
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return value
    return decoded.hex() if len(decoded) * 2 == digits else value
