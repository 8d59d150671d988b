"""Batches: every row of a file answered by one release, as durable work with limits."""

from lineside.apps.batches.batch import (
    Batch,
    BatchState,
    cancel_batch,
    get_batch,
    list_batches,
    remove_batch,
    state_of,
)
from lineside.apps.batches.performing import register_batches
from lineside.apps.batches.results import (
    BatchResult,
    batch_results,
    check_export,
    export_batch,
    exported_file,
)
from lineside.apps.batches.starting import resume_batch, start_batch, wait_for_batch

__all__ = [
    "Batch",
    "BatchResult",
    "BatchState",
    "batch_results",
    "cancel_batch",
    "check_export",
    "export_batch",
    "exported_file",
    "get_batch",
    "list_batches",
    "register_batches",
    "remove_batch",
    "resume_batch",
    "start_batch",
    "state_of",
    "wait_for_batch",
]
