"""`/api/keys` and `/api/ledger`: who may, and who did."""

from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import Field

from lineside.api.caller import Caller
from lineside.core import Record
from lineside.trust import (
    ApiKey,
    LedgerEntry,
    create_key,
    export_ledger,
    inclusion_proof,
    ledger_entries,
    ledger_head,
    list_keys,
    proofs,
    revoke_key,
)

router = APIRouter(tags=["trust"])


class KeyWish(Record):
    """A key to be made: what it is for and what it may do."""

    name: str = Field(min_length=1, max_length=100)
    rights: list[str] = Field(default_factory=lambda: ["run", "feedback"])
    use_cases: list[str] | None = None
    models: list[str] | None = None
    team: str | None = None
    expires_at: datetime | None = None


class NewKey(Record):
    """A key with its secret, which is shown this once and kept nowhere."""

    key: ApiKey
    secret: str


@router.post("/keys", status_code=201)
def make_key(scope: Caller, wish: KeyWish) -> NewKey:
    """Make an API key. The secret is in this answer and never again."""
    key, secret = create_key(
        scope,
        wish.name,
        rights=wish.rights,
        use_cases=wish.use_cases,
        models=wish.models,
        team=wish.team,
        expires_at=wish.expires_at,
    )
    return NewKey(key=key, secret=secret)


@router.get("/keys")
def keys(scope: Caller) -> list[ApiKey]:
    """All keys of the workspace, without their secrets."""
    return list_keys(scope)


@router.delete("/keys/{key_id}")
def end_key(scope: Caller, key_id: str) -> ApiKey:
    """Revoke a key at once and for good."""
    return revoke_key(scope, key_id)


@router.get("/ledger")
def ledger(scope: Caller, after: int | None = None, limit: int = 100) -> list[LedgerEntry]:
    """Entries of the ledger; at most 1,000 at once."""
    return ledger_entries(scope, after=after, limit=max(0, min(limit, 1000)))


@router.get("/ledger/head", response_class=PlainTextResponse)
def head(scope: Caller) -> str:
    """The newest signed head, in the C2SP checkpoint form."""
    return ledger_head(scope)


@router.get("/ledger/export")
def export(scope: Caller) -> StreamingResponse:
    """The whole ledger as JSON Lines, for `lineside ledger verify` on another machine."""
    return StreamingResponse(export_ledger(scope), media_type="application/jsonl")


@router.get("/ledger/{index}/proof")
def proof(scope: Caller, index: int) -> proofs.InclusionProof:
    """The proof that an entry is in the newest head: hashes from leaf to root (RFC 6962)."""
    return inclusion_proof(scope, index)
