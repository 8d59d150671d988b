"""Letting what was received be moved into the lake and kept in order there."""

from lineside.store import Store
from lineside.traces import ingested, replies, rewriting, sums
from lineside.traces.intake import TracesIntake
from lineside.traces.metrics.receiving import MetricsIntake
from lineside.traces.prices import PriceTables
from lineside.traces.refusals import RefusalsIntake, forget_refusals
from lineside.traces.unclaimed.routes import ServiceRoutes


def open_traces(store: Store) -> None:
    """Let spans be moved into the lake; called once by whoever puts the program together."""
    store.add_intake(TracesIntake(PriceTables(store), ServiceRoutes(store), store.payloads.put_all))
    store.add_intake(MetricsIntake())
    store.add_intake(RefusalsIntake())
    store.flusher.add_gatherer(lambda everything: ingested.gather(store, everything=everything))
    store.upkeep.add(lambda: rewriting.apply_everywhere(store))
    store.upkeep.add(lambda: rewriting.place_strays(store))
    store.upkeep.add(lambda: sums.add_up(store))
    store.upkeep.add(lambda: replies.forget_replies(store))
    store.upkeep.add(lambda: forget_refusals(store))
