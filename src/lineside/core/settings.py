"""Every setting of lineside, on one page, read from the environment once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from lineside.core.errors import Invalid


@dataclass(frozen=True)
class Settings:
    """Where lineside keeps its state and how much it takes on.

    Each field is read from `LINESIDE_` and its name in capitals; an unset one keeps its default.
    """

    home: Path = field(default_factory=lambda: Path(".lineside"))
    """The one state folder: records, lake, blobs, keys."""

    database_url: str = ""
    """PostgreSQL address for records, inbox and jobs; empty means SQLite in the state folder."""

    lake: str = ""
    """Folder of the lake's files that all machines see, or `s3://bucket/prefix` (keys come from
    `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`); empty means the state folder."""

    blobs: str = ""
    """Folder or `s3://bucket/prefix` of what is kept by content: files of releases, long payloads;
    empty means beside the lake's files when those are in a bucket, else the state folder."""

    s3_endpoint: str = ""
    """Address of a store that speaks S3, as `http://127.0.0.1:8333`; empty means Amazon's."""

    s3_region: str = ""
    """Region of the bucket; empty means `AWS_REGION`, or us-east-1."""

    lake_memory_mb: int = 256
    """Memory that DuckDB may take in one process, in MiB; more makes large lakes quicker."""

    host: str = "127.0.0.1"
    """Address the server listens on; only loopback until sign-in is set up."""

    port: int = 7710
    """Port the server listens on."""

    otlp_grpc_port: int = 4317
    """Port that takes OTLP over gRPC, at the same address; 0 takes none."""

    user: str = ""
    """Name in the ledger for what is done at this terminal; empty means the login name."""

    dataset_bytes_max: int = 100 * 1024 * 1024
    """Largest dataset file that is read, in bytes."""

    inbox_rows_max: int = 500_000
    """Telemetry rows that may wait for the lake before the server answers 503."""

    flush_seconds: float = 2.0
    """How often the flusher looks into the inbox, in seconds."""

    guard_probe_seconds: float = 300.0
    """How often probes go through every door to see that the guards act, in seconds."""

    rollout_watch_seconds: float = 5.0
    """How often the calls of a release that goes up by steps are looked at, in seconds."""

    run_concurrency: int = 8
    """Cases of one run that are asked at once."""

    batch_bytes_max: int = 2 * 1024 * 1024 * 1024
    """Largest file that is sent to be a batch, in bytes."""

    webhook_networks: str = ""
    """Networks that are not public and that webhooks may lead into all the same, by commas, as
    `127.0.0.0/8,10.1.0.0/16`; empty means none."""

    public_url: str = ""
    """Address under which people reach the pages, for links in webhooks; empty means the address
    that the server listens on."""

    request_bytes_max: int = 1024 * 1024
    """Largest body of a served call, in bytes."""

    model_bytes_max: int = 32 * 1024 * 1024
    """Largest body of a call of a model, with its pictures and files, in bytes."""

    pass_through_bytes_max: int = 512 * 1024 * 1024
    """Largest body that is passed on to a provider unread, such as a file or a recording, in
    bytes; it is never held in memory."""

    idempotency_seconds: int = 24 * 60 * 60
    """How long the answer to a call of a model with an `Idempotency-Key` is given again, in
    seconds; 0 takes no such keys."""

    response_days: int = 30
    """How many days a response of `/v1/responses` is kept, counted anew while its conversation goes
    on; 0 keeps none."""

    responses_max: int = 1_000_000
    """How many responses a workspace keeps; upkeep deletes those above it that would go next."""

    response_bytes_max: int = 8 * 1024 * 1024
    """Largest response that is kept, with what was asked anew, in bytes."""

    gateway: str = ""
    """File that names model providers and routes; empty means `gateway.yaml` in the state
    folder, which need not be there."""

    models: str = ""
    """Folder of the model files that `gguf:` names; empty means `models` in the state folder."""

    otlp_bytes_max: int = 20 * 1024 * 1024
    """Largest body of traces from other programs, in bytes, as sent and as unpacked."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings, and refuse a value of the wrong kind by its name."""
        values: dict[str, object] = {}
        source = os.environ if environment is None else environment
        for name, definition in cls.__dataclass_fields__.items():
            text = source.get(f"LINESIDE_{name.upper()}")
            if text:
                values[name] = _parse(name, text, str(definition.type))
        return cls(**values)  # type: ignore[arg-type] # parsed by the declared type just above

    def environment(self) -> dict[str, str]:
        """The variables that give another process these same settings."""
        named = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {f"LINESIDE_{name.upper()}": str(value) for name, value in named.items()}

    @property
    def is_embedded(self) -> bool:
        """Whether the records lie in the state folder and not in a PostgreSQL server."""
        return not self.database_url

    @property
    def address(self) -> str:
        """Where pages and API are while the server runs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def _parse(name: str, text: str, kind: str) -> object:
    kinds = {"int": int, "float": float, "Path": Path, "str": str}
    for word, parse in kinds.items():
        if word in kind:
            try:
                return parse(text)
            except ValueError:
                raise Invalid(
                    "bad_setting",
                    f"LINESIDE_{name.upper()} is `{text}`, expected a number",
                    hint="Change it in the environment, or unset it to use the default.",
                ) from None
    raise AssertionError(f"setting {name} has no parser for {kind}")
