"""The way to the Celery side. The only package of the daemon that knows ``shim``."""

from daemon.dispatch.addresses import EMBEDDED, broker_address, check_addresses
from daemon.dispatch.dispatcher import LOOK_EVERY_S, BrokerState, CeleryDispatcher
from daemon.dispatch.messages import check_items

__all__ = [
    "EMBEDDED",
    "LOOK_EVERY_S",
    "BrokerState",
    "CeleryDispatcher",
    "broker_address",
    "check_addresses",
    "check_items",
]
