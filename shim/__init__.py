"""Writes what stock Celery workers read: messages of protocol 2, in the lists of kombu's Redis transport.

It knows nothing of schedules or HL7 and imports nothing of the daemon; it can be used alone.

    link = Link(parse_broker_url("redis://localhost:6379/0"), client_name="mine")
    publisher = Publisher(link, RedisTransport())          # publisher.run() must be running in a task group
    target = Router({}).resolve("app.add")
    envelope = build_envelope(TaskRequest("app.add", task_id, args=[2, 3]), target, delivery_tag=tag, at=now, origin="me")
    [result] = await publisher.write([Write(None, (envelope,))])
"""

from shim.broker_facts import BrokerFacts
from shim.broker_url import BrokerUrl, parse_broker_url
from shim.claim import Claim, Outcome, Write, WriteResult
from shim.envelope import Envelope, build_envelope
from shim.errors import (
    BrokerRefused,
    BrokerUnavailable,
    BrokerUrlInvalid,
    PublishUncertain,
    RequestInvalid,
    ShimError,
)
from shim.link import Link
from shim.publisher import Publisher
from shim.request import TaskRequest
from shim.results import Results, TaskMeta
from shim.routing import Route, Router, Target
from shim.transport import RedisTransport

__all__ = [
    "BrokerFacts",
    "BrokerRefused",
    "BrokerUnavailable",
    "BrokerUrl",
    "BrokerUrlInvalid",
    "Claim",
    "Envelope",
    "Link",
    "Outcome",
    "PublishUncertain",
    "Publisher",
    "RedisTransport",
    "RequestInvalid",
    "Results",
    "Route",
    "Router",
    "ShimError",
    "Target",
    "TaskMeta",
    "TaskRequest",
    "Write",
    "WriteResult",
    "build_envelope",
    "parse_broker_url",
]
