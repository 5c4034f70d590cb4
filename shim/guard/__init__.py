"""What besides a claim must allow a write: places, rates and a hold, all checked and taken in the script that pushes."""

from shim.guard.guard import Guard, RateClaim, Record, SlotClaim
from shim.guard.slots import Holder, Slots

__all__ = ["Guard", "Holder", "RateClaim", "Record", "SlotClaim", "Slots"]
