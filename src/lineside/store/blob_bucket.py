"""Blobs as objects in a bucket that speaks S3, for every machine that shares it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from lineside.core import Invalid, Unavailable

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

_RETRIES_MAX = 2
_CONNECT_TIMEOUT = "5s"
_ANSWER_TIMEOUT = "60s"
_GIVE_UP_AFTER = timedelta(seconds=20)


class BlobBucket:
    """A prefix of a bucket; keys come from the environment, as those of the lake do.

    Args:
        address: `s3://bucket/prefix`.
        endpoint: Of a store that is not Amazon's, with `http://` or `https://` before it.
    """

    def __init__(self, address: str, *, endpoint: str = "", region: str = "") -> None:
        self._address = address.rstrip("/")
        self._endpoint = endpoint
        self._region = region or os.environ.get("AWS_REGION", "us-east-1")
        bucket, _, self._prefix = self._address.removeprefix("s3://").partition("/")
        if not bucket:
            raise Invalid("bad_bucket", f"`{address}` names no bucket", hint="Use s3://bucket/name")
        self._bucket = bucket

    def write(self, name: str, content: bytes) -> None:
        import obstore

        with self._clear_errors(f"keep {len(content):,} bytes"):
            obstore.put(self._opened, _key(name), content)

    def read(self, name: str) -> bytes | None:
        import obstore

        with self._clear_errors("read"):
            try:
                return bytes(obstore.get(self._opened, _key(name)).bytes())
            except FileNotFoundError:
                return None

    def has(self, name: str) -> bool:
        import obstore

        with self._clear_errors("look"):
            try:
                obstore.head(self._opened, _key(name))
            except FileNotFoundError:
                return False
            return True

    def remove(self, name: str) -> None:
        import obstore

        with self._clear_errors("remove"), suppress(FileNotFoundError):
            obstore.delete(self._opened, _key(name))

    @cached_property
    def _opened(self) -> "S3Store":
        from obstore.store import S3Store

        endpoint = self._endpoint
        if endpoint and "://" not in endpoint:
            endpoint = f"https://{endpoint}"
        config: S3Config = {
            "region": self._region,
            "virtual_hosted_style_request": not endpoint,
        }
        if endpoint:
            config["endpoint"] = endpoint
        return S3Store(
            self._bucket,
            prefix=self._prefix or None,
            config=config,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": _CONNECT_TIMEOUT,
                "timeout": _ANSWER_TIMEOUT,
            },
            retry_config={"max_retries": _RETRIES_MAX, "retry_timeout": _GIVE_UP_AFTER},
        )

    @contextmanager
    def _clear_errors(self, verb: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            said = " ".join(str(error).split())[:300]
            raise Unavailable(
                "bucket_refused",
                f"Could not {verb} in the bucket `{self._address}`: {said}",
                hint="Check LINESIDE_S3_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and "
                "that the bucket is there.",
            ) from error


def _key(name: str) -> str:
    return f"{name[:2]}/{name[2:]}"
