"""Who may, and who did: scopes, members, API keys, and the ledger of everything decided.

Some pages are reached by their own names, `from lineside.trust import members, proofs`: the people
of a workspace and their `keys`; what an outsider gets, consistency proofs and verifications among
it; who is told of what happens (`webhooks`), and how that is written down (`outbox`).
"""

from lineside.trust.export import export_ledger, verify_export, verify_ledger
from lineside.trust.keys import (
    ApiKey,
    create_key,
    list_keys,
    revoke_key,
    scope_for_key,
)
from lineside.trust.ledger import LedgerEntry, ledger_entries, record
from lineside.trust.members import local_scope
from lineside.trust.proofs import inclusion_proof, ledger_head
from lineside.trust.scope import Scope

__all__ = [
    "ApiKey",
    "LedgerEntry",
    "Scope",
    "create_key",
    "export_ledger",
    "inclusion_proof",
    "ledger_entries",
    "ledger_head",
    "list_keys",
    "local_scope",
    "record",
    "revoke_key",
    "scope_for_key",
    "verify_export",
    "verify_ledger",
]
