"""Budgets: what calls may take, reserved before each and settled after it, and never overrun."""

from lineside.gateway.budgets.bound import FREE, Bound, Dearest, dearest
from lineside.gateway.budgets.cap import (
    OWNER,
    About,
    Cap,
    CapUse,
    Measure,
    cap_uses,
    label,
    nano_usd,
    remove_cap,
    set_cap,
)
from lineside.gateway.budgets.meter import Meter
from lineside.gateway.budgets.metering import metering
from lineside.gateway.budgets.periods import Every
from lineside.gateway.budgets.refusal import BudgetExceeded
from lineside.gateway.budgets.reserving import NOTHING, Payer, Used
from lineside.gateway.budgets.sessions import keep_in_order

__all__ = [
    "FREE",
    "NOTHING",
    "OWNER",
    "About",
    "Bound",
    "BudgetExceeded",
    "Cap",
    "CapUse",
    "Dearest",
    "Every",
    "Measure",
    "Meter",
    "Payer",
    "Used",
    "cap_uses",
    "dearest",
    "keep_in_order",
    "label",
    "metering",
    "nano_usd",
    "remove_cap",
    "set_cap",
]
