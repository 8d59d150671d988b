"""What is masked before it is kept."""

from lineside.traces.privacy.aliases import aliases_of
from lineside.traces.privacy.door import (
    masked_body,
    masked_id,
    masked_span,
    masked_words,
    masker_of,
    names_kept,
)
from lineside.traces.privacy.patterns import finder_of, found_in
from lineside.traces.privacy.rules import (
    MaskRule,
    built_in_patterns,
    list_rules,
    mask,
    try_rules,
    unmask,
)

__all__ = [
    "MaskRule",
    "aliases_of",
    "built_in_patterns",
    "finder_of",
    "found_in",
    "list_rules",
    "mask",
    "masked_body",
    "masked_id",
    "masked_span",
    "masked_words",
    "masker_of",
    "names_kept",
    "try_rules",
    "unmask",
]
