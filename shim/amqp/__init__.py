"""RabbitMQ natively: confirmed publishing, an outbox, delays, queues, control and events, as stock Celery workers know them.

connector = AmqpConnector(parse_amqp_urls("amqp://user:password@host//"), client_name="mine")
async with AmqpPublisher(connector) as publisher:
    message = build_amqp_message(build_message(request, target, at=now, origin="me"), message_id=str(uuid4()))
    [result] = await publisher.publish([message])

It needs the extra ``amqp``, and nothing else of the shim imports it.
"""

from shim.amqp.connector import AmqpConnector
from shim.amqp.control import AmqpControlWire
from shim.amqp.declaring import QueueDepth
from shim.amqp.delay import delayed, ladder, takes_delays, way_back
from shim.amqp.envelope import Delivery
from shim.amqp.events import AmqpEventWire
from shim.amqp.outbox import Outbox, OutboxLimits
from shim.amqp.outbox_store import Entered, GivenUp, OutboxCounts, OutboxEntry, OutboxFailed
from shim.amqp.outcome import AmqpOutcome, AmqpResult, Refusal
from shim.amqp.publisher import AmqpPublisher
from shim.amqp.queues import AmqpQueues
from shim.amqp.topology import DeclareExchange, QueueDeclaration, missing_queue, read_queue
from shim.amqp.url import AmqpTls, AmqpUrl, parse_amqp_urls
from shim.amqp.wire import AmqpMessage, build_amqp_message

__all__ = [
    "AmqpConnector",
    "AmqpControlWire",
    "AmqpEventWire",
    "AmqpMessage",
    "AmqpOutcome",
    "AmqpPublisher",
    "AmqpQueues",
    "AmqpResult",
    "AmqpTls",
    "AmqpUrl",
    "DeclareExchange",
    "Delivery",
    "Entered",
    "GivenUp",
    "Outbox",
    "OutboxCounts",
    "OutboxEntry",
    "OutboxFailed",
    "OutboxLimits",
    "QueueDeclaration",
    "QueueDepth",
    "Refusal",
    "build_amqp_message",
    "delayed",
    "ladder",
    "missing_queue",
    "parse_amqp_urls",
    "read_queue",
    "takes_delays",
    "way_back",
]
