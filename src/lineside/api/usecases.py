"""`/api/usecases`: what there is, and what each takes and gives."""

from typing import Any

from fastapi import APIRouter

from lineside.api.caller import Caller
from lineside.apps import live_schemas
from lineside.usecases import UseCase, get_use_case, list_use_cases, watching

router = APIRouter(tags=["use cases"])


@router.get("/usecases")
def use_cases(scope: Caller) -> list[UseCase]:
    """Every use case of the workspace, with its manifest."""
    return list_use_cases(scope)


@router.get("/usecases/{name}")
def use_case(scope: Caller, name: str) -> UseCase:
    """One use case, with its manifest."""
    return get_use_case(scope, name)


@router.delete("/usecases/{name}")
def unwatch(scope: Caller, name: str, to_shelf: bool = False) -> watching.Unwatched:
    """Forget a use case that is only watched; its traces go back to the unclaimed shelf if told."""
    return watching.unwatch(scope, name, moves_traces=to_shelf)


@router.get("/usecases/{name}/schema")
def schema(scope: Caller, name: str) -> dict[str, Any]:
    """JSON Schemas of what the live release takes (`input`) and gives (`output`), and its knobs."""
    return live_schemas(scope, name)
