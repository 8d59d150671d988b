"""Who acts, where, and what they may: the first argument of everything that decides or shows."""

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from lineside.core import Actor, Denied, Invalid, did_you_mean
from lineside.store import Store

RIGHTS = {
    "read": "see what is there",
    "run": "call an app",
    "unguarded": "use a provider's files, batches, audio and images, which no guard looks at",
    "test": "test a use case",
    "release": "make a release",
    "deploy": "deploy and roll back",
    "override": "release what a gate refused, with a reason",
    "keys": "make and revoke API keys, add members",
    "feedback": "give feedback on an answer",
    "ingest": "send traces",
    "prices": "set what models cost",
    "budgets": "limit what calls may take",
    "webhooks": "say who is told of what is decided",
    "claim": "say which use case a service belongs to",
    "views": "save views of traces for everybody",
    "erase": "erase traces for good",
    "privacy": "say what is masked and how long traces are kept",
    "review": "answer what a review asks",
}
"""Every right there is and what it allows; an owner has all of them."""

_KINDS = {"person": "Member", "key": "API key", "system": "System"}


@dataclass(frozen=True)
class Scope:
    """One actor at work in one workspace, with the rights they have there.

    Attributes:
        store: Where the workspace is kept.
        workspace: Name of the workspace.
        actor: Who acts, as the ledger will name them.
        rights: What they may, out of `RIGHTS`.
        use_cases: The only use cases they may touch, or nothing where there is no such limit.
        models: The only plain models they may call, as patterns with `*`, or nothing likewise. Who
            is limited to models and to no use cases may call no use case.
        team: Whom the calls of an API key count for beside itself, if anybody.
    """

    store: Store
    workspace: str
    actor: Actor
    rights: frozenset[str]
    use_cases: frozenset[str] | None = None
    models: tuple[str, ...] | None = None
    team: str | None = None

    def require(self, right: str, use_case: str | None = None) -> None:
        """Go on only if the actor has the right, here on this use case.

        An actor who is limited to some use cases is refused where no use case is named, because
        what is asked for then reaches beyond them.

        Raises:
            Denied: The right is missing, or the use case is outside the limit; says who and which.
        """
        if right not in RIGHTS:
            raise AssertionError(f"unknown right {right!r}; add it to RIGHTS")
        who = f"{_KINDS[self.actor.kind]} `{self.actor.name}`"
        if right not in self.rights:
            raise Denied(
                "missing_right",
                f"{who} lacks the right `{right}` ({RIGHTS[right]})",
                hint=f"It has: {', '.join(sorted(self.rights)) or 'no right'}. "
                "An owner can give another key or more rights.",
            )
        if right == "run" and self.models is not None and self.use_cases is None:
            raise Denied(
                "use_case_not_allowed",
                f"{who} may call some models, and no use case",
                hint=f"It is limited to: {', '.join(self.models)}.",
            )
        if self.use_cases is not None and use_case not in self.use_cases:
            asked = f"use case `{use_case}`" if use_case else "the whole workspace"
            raise Denied(
                "use_case_not_allowed",
                f"{who} may not `{right}` on {asked}",
                hint=f"It is limited to: {', '.join(sorted(self.use_cases))}.",
            )

    def require_model(self, model: str) -> None:
        """Go on only if the actor may call this plain model, which is no use case.

        Raises:
            Denied: The right `run` is missing, or the model is outside the limit.
        """
        if self.models is None:
            self.require("run")
            return
        replace(self, use_cases=None, models=None).require("run")
        if not self.may_call(model):
            raise Denied(
                "model_not_allowed",
                f"{_KINDS[self.actor.kind]} `{self.actor.name}` may not call `{model[:120]}`",
                hint=f"It is limited to: {', '.join(self.models)}.",
            )

    def may_call(self, model: str) -> bool:
        """Whether a plain model is within the limits, if there are any."""
        if self.models is None:
            return self.use_cases is None
        return any(fnmatchcase(model, one) for one in self.models)


def checked_rights(rights: frozenset[str]) -> frozenset[str]:
    """Return the rights if each is known, and refuse an empty set."""
    for right in sorted(rights - RIGHTS.keys()):
        near = did_you_mean(right, RIGHTS)
        raise Invalid(
            "unknown_right",
            f"There is no right `{right}`",
            hint=f"Did you mean `{near}`?" if near else f"There are: {', '.join(RIGHTS)}.",
        )
    if not rights:
        raise Invalid(
            "no_rights",
            "No right was given, so nothing would be allowed",
            hint=f"Give at least one of: {', '.join(RIGHTS)}.",
        )
    return rights
