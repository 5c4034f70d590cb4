"""A Celery client for asyncio: writes what stock workers read and reads what they write, without Celery.

It knows nothing of schedules or HL7 and imports nothing of the daemon; it can be used alone.

    conf = {"broker_url": "redis://localhost:6379/0", "result_backend": "redis://localhost:6379/1"}
    async with open_client(conf) as client:
        sent = await client.send("app.add", [2, 3], countdown=5)
        meta = await client.wait(sent.task_id, timeout_s=30)

What the client is made of is here too: requests, signatures and canvases as values; routing; publishing under claims; results,
control, events and queues. ``shim.app`` asks an application what it is, ``shim.amqp`` speaks to RabbitMQ, ``shim.foreign`` to
whatever else Celery knows.
"""

from shim.broker_facts import BrokerFacts
from shim.broker_url import BrokerUrl, parse_broker_url
from shim.canvas import CanvasSender, Chain, Chord, Group, plan_canvas
from shim.claim import Claim, Outcome, Write, WriteResult
from shim.client import Call, Client, Sent, open_client
from shim.connector import Connector
from shim.control import Answers, Control, methods
from shim.envelope import Envelope, build_envelope, wrap
from shim.errors import (
    BrokerRefused,
    BrokerUnavailable,
    BrokerUrlInvalid,
    PublishUncertain,
    RequestInvalid,
    ShimError,
)
from shim.events import EventReceiver, EventState
from shim.guard import Guard, RateClaim, Record, SlotClaim, Slots
from shim.link import Link
from shim.message import Message, build_message
from shim.publisher import Publisher
from shim.queues import Queues
from shim.request import TaskRequest
from shim.results import Results, ResultWaiter, TaskMeta
from shim.routing import Route, Router, Target, routing_from_conf
from shim.signature import Signature
from shim.subscription import Subscription
from shim.transport import RedisTransport
from shim.value import LongText

__all__ = [
    "Answers",
    "BrokerFacts",
    "BrokerRefused",
    "BrokerUnavailable",
    "BrokerUrl",
    "BrokerUrlInvalid",
    "Call",
    "CanvasSender",
    "Chain",
    "Chord",
    "Claim",
    "Client",
    "Connector",
    "Control",
    "Envelope",
    "EventReceiver",
    "EventState",
    "Group",
    "Guard",
    "Link",
    "LongText",
    "Message",
    "Outcome",
    "PublishUncertain",
    "Publisher",
    "Queues",
    "RateClaim",
    "Record",
    "RedisTransport",
    "RequestInvalid",
    "ResultWaiter",
    "Results",
    "Route",
    "Router",
    "Sent",
    "ShimError",
    "Signature",
    "SlotClaim",
    "Slots",
    "Subscription",
    "Target",
    "TaskMeta",
    "TaskRequest",
    "Write",
    "WriteResult",
    "build_envelope",
    "build_message",
    "methods",
    "open_client",
    "parse_broker_url",
    "plan_canvas",
    "routing_from_conf",
    "wrap",
]
