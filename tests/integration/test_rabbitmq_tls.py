"""RabbitMQ over TLS: a certificate that is trusted, one that is not, and a name that does not match."""

from __future__ import annotations

import shutil

import pytest

from shim.amqp.outcome import AmqpOutcome
from shim.errors import BrokerUnavailable
from tests.support.rabbitmq import RabbitServer, needs_rabbitmq, shared_rabbit
from tests.support.rabbitmq_publishing import amqp_messages, make_connector, make_publisher, outcomes, queue_name

pytestmark = [
    pytest.mark.anyio,
    needs_rabbitmq,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed (apt-get install openssl)"),
]


@pytest.fixture
def rabbit() -> RabbitServer:
    return shared_rabbit()


async def test_a_trusted_server_is_spoken_to(rabbit: RabbitServer) -> None:
    port, authority = rabbit.tls_port, rabbit.authority
    for address in (
        f"amqps://guest:guest@127.0.0.1:{port}//?ssl_ca_certs={authority}",
        f"amqps://guest:guest@127.0.0.1:{port}//?ssl_cert_reqs=none",
        f"amqps://guest:guest@localhost:{port}//?ssl_ca_certs={authority}&ssl_check_hostname=false",
    ):
        async with make_publisher(address) as publisher:
            assert outcomes(await publisher.publish(amqp_messages(1, queue=queue_name()))) == [AmqpOutcome.WRITTEN]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("amqps://guest:guest@127.0.0.1:{port}//", "CERTIFICATE_VERIFY_FAILED"),
        ("amqps://guest:guest@localhost:{port}//?ssl_ca_certs={authority}", "not valid for 'localhost'"),
        ("amqps://guest:guest@127.0.0.1:{port}//?ssl_ca_certs=/absent.pem", "TLS files cannot be used"),
    ],
)
async def test_a_server_that_is_not_trusted_gets_no_password(rabbit: RabbitServer, address: str, reason: str) -> None:
    with pytest.raises(BrokerUnavailable, match=reason):
        await make_connector(address.format(port=rabbit.tls_port, authority=rabbit.authority)).open()
