"""The door to RabbitMQ, opened for an ``amqp://`` address alone: it needs an extra that Redis does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shim.client.conf import BrokerKind, broker_address, broker_kind
from shim.errors import BrokerUrlInvalid
from shim.request import TaskRequest
from shim.routing import QueueTable, Routed

if TYPE_CHECKING:
    from shim.client.amqp_control import AmqpControl
    from shim.client.amqp_desk import AmqpDesk


def need_amqp() -> None:
    """See to it that what RabbitMQ needs is installed.

    Raises:
        BrokerUrlInvalid: it is not.
    """
    try:
        import shim.amqp  # noqa: F401, PLC0415 - only here
    except ImportError as error:
        message = f"RabbitMQ needs the extra amqp ({error.name} is missing)"
        raise BrokerUrlInvalid(message, hint="pip install 'carillond[amqp]'") from None


def check_amqp(conf: Mapping[str, Any]) -> None:
    """Find out whether RabbitMQ could be spoken to with an application's settings; nothing is opened.

    Raises:
        BrokerUrlInvalid: the address cannot be, or the extra ``amqp`` is not installed.
    """
    need_amqp()
    from shim.client.amqp_carrier import amqp_connector  # noqa: PLC0415 - as above

    amqp_connector(conf, client_name="check")


def amqp_trial(conf: Mapping[str, Any], queues: QueueTable) -> Callable[[TaskRequest, Routed, datetime], object] | None:
    """Give what raises ``RequestInvalid`` for a request RabbitMQ would not take; ``None`` if another broker is meant.

    Raises:
        RequestInvalid: a setting nobody could work with.
    """
    try:
        if broker_kind(broker_address(conf)) is not BrokerKind.AMQP:
            return None
        need_amqp()
    except BrokerUrlInvalid:
        return None  # told where the address is checked
    from shim.client.amqp_carrier import amqp_maker  # noqa: PLC0415 - as above

    return amqp_maker(conf, queues, origin="check", pid=0, new_id=lambda: "check").make


def amqp_control(conf: Mapping[str, Any], *, client_name: str, new_id: Callable[[], str]) -> AmqpControl:
    """Make the remote control for an application's settings; nothing is opened.

    Raises:
        BrokerUrlInvalid: as ``check_amqp``.
    """
    need_amqp()
    from shim.client.amqp_carrier import amqp_connector  # noqa: PLC0415 - as above
    from shim.client.amqp_control import AmqpControl  # noqa: PLC0415 - as above

    connector = amqp_connector(conf, client_name=client_name)
    return AmqpControl(connector, new_id=new_id, namespace=conf.get("control_exchange") or "celery")


def amqp_desk(conf: Mapping[str, Any], *, client_name: str) -> AmqpDesk:
    """Make the way to the queues for an application's settings; nothing is opened.

    Raises:
        BrokerUrlInvalid: as ``check_amqp``.
    """
    need_amqp()
    from shim.client.amqp_carrier import amqp_connector  # noqa: PLC0415 - as above
    from shim.client.amqp_desk import AmqpDesk  # noqa: PLC0415 - as above

    return AmqpDesk(amqp_connector(conf, client_name=client_name))
