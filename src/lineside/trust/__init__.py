"""Who may, and who did: scopes, members, API keys, and the ledger of everything decided."""

from lineside.trust.keys import ApiKey, create_key, list_keys, revoke_key, scope_for_key
from lineside.trust.ledger import LedgerEntry, ledger_entries, record
from lineside.trust.members import local_scope
from lineside.trust.scope import Scope

__all__ = [
    "ApiKey",
    "LedgerEntry",
    "Scope",
    "create_key",
    "ledger_entries",
    "list_keys",
    "local_scope",
    "record",
    "revoke_key",
    "scope_for_key",
]
