"""What is masked before it is kept, and how long traces are kept."""

from lineside.traces.privacy.door import masked_body, masked_span, masker_of
from lineside.traces.privacy.keeping import (
    Expired,
    Retention,
    apply_everywhere,
    apply_retention,
    list_retentions,
    retain,
)
from lineside.traces.privacy.rules import (
    MaskRule,
    built_in_patterns,
    list_rules,
    mask,
    try_rules,
    unmask,
)

__all__ = [
    "Expired",
    "MaskRule",
    "Retention",
    "apply_everywhere",
    "apply_retention",
    "built_in_patterns",
    "list_retentions",
    "list_rules",
    "mask",
    "masked_body",
    "masked_span",
    "masker_of",
    "retain",
    "try_rules",
    "unmask",
]
