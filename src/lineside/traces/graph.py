"""Who called whom in a trace: agents, models and tools as nodes, drawn from the steps. Pure.

A node is a kind with a name, however often it was called; an edge says how often. Steps that stand
for nothing but themselves are skipped: what is below them was called by the nearest node above. So
tools that ran at the same time stand beside each other, and what was called again is one node with
a higher count. Only where the sender says itself who went before whom is that taken instead.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from lineside.traces.outline import Outline
from lineside.traces.tree import Step

NODES_MAX = 40
_SKIPPED = ("step", "prompt")
_LANGGRAPH = "node"
_ABOVE_MAX = 64


class Hint(NamedTuple):
    """What a step says of its own place in the graph; OpenInference and LangGraph do.

    Attributes:
        node: Id of its node; `before` that of the node which went before it.
        turn: LangGraph's count of rounds; the nodes of one round follow on those of the one before.
        gave, took: Names of the agents between which the conversation was handed over.
    """

    node: str | None = None
    name: str | None = None
    before: str | None = None
    turn: int | None = None
    gave: str | None = None
    took: str | None = None


class GraphNode(NamedTuple):
    """All calls of one thing.

    Attributes:
        total_ms: Of the calls, but not of those inside another call of the same node.
        lost: How many of the calls had a parent that has not arrived.
        first: Number of its first step in the tree, of its first failed one where one failed.
        folded: How many rarer nodes stand together in this one; 0 for a node of its own.
    """

    kind: str
    name: str
    calls: int
    errors: int
    total_ms: float
    lost: int
    first: int
    folded: int = 0


class GraphEdge(NamedTuple):
    """How often one node called another, both by their place in `CallGraph.nodes`.

    Attributes:
        is_flow: The sender said that one went before the other; it did not call it.
    """

    source: int
    target: int
    calls: int
    is_flow: bool


class CallGraph(NamedTuple):
    """Nodes in the order they first appear, and the edges between them."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]


Key = tuple[str, str]


def graph_of(
    steps: Sequence[Step[Outline]],
    hints: Mapping[str, Hint] | None = None,
    *,
    nodes_max: int = NODES_MAX,
) -> CallGraph:
    """Draw the steps of a trace, in tree order, together.

    Args:
        nodes_max: The rarest nodes above this are put together, one for each kind.
    """
    hints = hints or {}
    keys = _keys(steps, hints)
    nodes: dict[Key, GraphNode] = {}
    for step, key in zip(steps, keys, strict=True):
        if key is not None:
            nodes[key] = _counted(nodes.get(key), key, step, _is_inside(steps, keys, step, key))
    edges = _edges(steps, keys, hints)
    shown = _folded(nodes, nodes_max)
    places = {key: place for place, key in enumerate(dict.fromkeys(shown.values()))}
    together: dict[Key, GraphNode] = {}
    for key, node in nodes.items():
        at = shown[key]
        together[at] = node if at == key else _joined(together.get(at), at, node)
    drawn: Counter[tuple[int, int, bool]] = Counter()
    for (source, target, is_flow), count in edges.items():
        if source in shown and target in shown:
            drawn[places[shown[source]], places[shown[target]], is_flow] += count
    return CallGraph(
        [together[key] for key in places],
        [GraphEdge(*ends[:2], count, ends[2]) for ends, count in drawn.items()],
    )


def hint_of(raw: Mapping[str, Any]) -> Hint:
    """Read the hints out of what was received for a step."""
    attributes = raw.get("attributes")
    if not isinstance(attributes, Mapping):
        return Hint()
    said = {name.rpartition(".")[2]: value for name, value in attributes.items()}
    for name, value in attributes.items():
        if name.endswith("metadata"):
            said |= _mapping(value)
    node = attributes.get("graph.node.id") or said.get("langgraph_node")
    turn = said.get("langgraph_step")
    return Hint(
        node=_word(node),
        name=_word(attributes.get("graph.node.name")),
        before=_word(attributes.get("graph.node.parent_id")),
        turn=int(str(turn)) if str(turn).isdecimal() and len(str(turn)) < 9 else None,
        gave=_word(said.get("from_agent")),
        took=_word(said.get("to_agent")),
    )


def _keys(steps: Sequence[Step[Outline]], hints: Mapping[str, Hint]) -> list[Key | None]:
    """The node of each step; LangGraph writes its node into all steps below, the top one is it."""
    keys: list[Key | None] = []
    for step in steps:
        span, hint = step.span, hints.get(step.span.span_id, Hint())
        if hint.turn is not None:
            over = hints.get(steps[step.parent - 1].span.span_id) if step.parent else None
            is_top = over is None or (over.node, over.turn) != (hint.node, hint.turn)
            if is_top and hint.node:
                keys.append((_LANGGRAPH, hint.name or hint.node))
                continue
        elif hint.node:
            kind = _LANGGRAPH if span.kind in _SKIPPED else span.kind
            keys.append((kind, hint.name or hint.node))
            continue
        keys.append(None if span.kind in _SKIPPED else (span.kind, _name(span)))
    return keys


def _name(span: Outline) -> str:
    own = {"tool": span.tool_name, "agent": span.agent_name, "model": span.model}
    return own.get(span.kind) or span.name


def _is_inside(
    steps: Sequence[Step[Outline]], keys: Sequence[Key | None], step: Step[Outline], key: Key
) -> bool:
    number = step.parent
    for _ in range(_ABOVE_MAX):
        if not number:
            return False
        if keys[number - 1] == key:
            return True
        number = steps[number - 1].parent
    return False


def _counted(node: GraphNode | None, key: Key, step: Step[Outline], is_inside: bool) -> GraphNode:
    failed = step.span.status == "error"
    node = node or GraphNode(*key, 0, 0, 0.0, 0, step.number)
    return node._replace(
        calls=node.calls + 1,
        errors=node.errors + failed,
        total_ms=node.total_ms + (0.0 if is_inside else step.span.duration_ms),
        lost=node.lost + (step.parent == 0 and step.span.parent_span_id is not None),
        first=step.number if failed and not node.errors else node.first,
    )


def _edges(
    steps: Sequence[Step[Outline]], keys: Sequence[Key | None], hints: Mapping[str, Hint]
) -> Counter[tuple[Key, Key, bool]]:
    by_id: dict[str, Key] = {}
    for step, key in zip(steps, keys, strict=True):
        hint = hints.get(step.span.span_id)
        if key is not None and hint is not None and hint.node and hint.turn is None:
            by_id.setdefault(hint.node, key)
    turns = _turns(steps, keys, hints)
    edges: Counter[tuple[Key, Key, bool]] = Counter()
    callers: list[Key | None] = []
    for step, key in zip(steps, keys, strict=True):
        caller = (keys[step.parent - 1] or callers[step.parent - 1]) if step.parent else None
        callers.append(caller)
        hint = hints.get(step.span.span_id, Hint())
        if hint.gave and hint.took and hint.took not in by_id:
            edges[("agent", hint.gave), ("agent", hint.took), True] += 1
        if key is None:
            continue
        before = [by_id[hint.before]] if hint.before in by_id else []
        if key[0] == _LANGGRAPH and hint.turn is not None:
            before = turns.get((step.parent, hint.turn), [])
        if before:
            edges.update((one, key, True) for one in before)
        elif caller is not None:
            edges[caller, key, False] += 1
    return edges


def _turns(
    steps: Sequence[Step[Outline]], keys: Sequence[Key | None], hints: Mapping[str, Hint]
) -> dict[tuple[int, int], list[Key]]:
    """The nodes that went before those of a LangGraph round, by caller and round.

    Where several nodes follow on several others, it does not say which on which: then none is said.
    """
    rounds: dict[tuple[int, int], dict[Key, None]] = {}
    for step, key in zip(steps, keys, strict=True):
        turn = hints.get(step.span.span_id, Hint()).turn
        if key is not None and key[0] == _LANGGRAPH and turn is not None:
            rounds.setdefault((step.parent, turn), {})[key] = None
    before = {}
    for (parent, turn), nodes in rounds.items():
        earlier = list(rounds.get((parent, turn - 1), {}))
        if len(earlier) == 1 or len(nodes) == 1:
            before[parent, turn] = earlier
    return before


def _folded(nodes: Mapping[Key, GraphNode], nodes_max: int) -> dict[Key, Key]:
    """For every node the one that it is drawn as."""
    if len(nodes) <= nodes_max:
        return {key: key for key in nodes}
    kinds = len({kind for kind, _ in nodes})
    often = sorted(nodes, key=lambda key: (-nodes[key].calls, -nodes[key].total_ms))
    kept = set(often[: max(0, nodes_max - kinds)])
    return {key: key if key in kept else (key[0], "others") for key in nodes}


def _joined(node: GraphNode | None, key: Key, more: GraphNode) -> GraphNode:
    node = node or GraphNode(*key, 0, 0, 0.0, 0, more.first)
    return node._replace(
        calls=node.calls + more.calls,
        errors=node.errors + more.errors,
        total_ms=node.total_ms + more.total_ms,
        lost=node.lost + more.lost,
        first=more.first if more.errors and not node.errors else node.first,
        folded=node.folded + 1,
    )


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return dict(value) if isinstance(value, Mapping) else {}


def _word(value: Any) -> str | None:
    return str(value)[:200] if isinstance(value, str | int) and value != "" else None
