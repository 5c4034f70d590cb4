"""Other people's clients against a real daemon: each message acknowledged, none sent twice, all in the queue in order.

``http2mllp`` of the package mllp-http is not among them: no released version of it starts (it asks its own command line for
options that it does not define).
"""

from __future__ import annotations

import asyncio
import base64
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hl7
import pytest
from hl7.client import MLLPClient
from hl7.mllp import open_hl7_connection
from hl7apy.core import Message
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

from tests.support.builders import framed
from tests.support.interop import (
    MESSAGES,
    as_text,
    check_all_taken,
    check_quiet,
    codes_in,
    generated,
    mixture,
    queued,
    receiving,
)
from tests.support.node_client import exchange_with_node
from tests.support.valkey import ValkeyServer
from tests.support.worker import Worker, wait_until_ran

LIMIT_S = 60
OK = ["AA"] * MESSAGES


def mllp_send(port: int, file: Path, *options: str) -> list[bytes]:
    """Run python-hl7's command on a file and give the answers that it prints."""
    command = [sys.executable, "-c", "import hl7.client; hl7.client.mllp_send()", "-p", str(port), "-f", str(file)]
    done = subprocess.run([*command, *options, "127.0.0.1"], capture_output=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.split(b"\x1c\r\n")[:-1]


# -- python-hl7 --------------------------------------------------------------------------------------------------------


def test_mllp_send_has_every_message_of_a_framed_file_acknowledged(tmp_path: Path, valkey: ValkeyServer) -> None:
    messages = mixture()
    file = tmp_path / "framed.hl7"
    file.write_bytes(framed(*messages))
    with receiving(tmp_path, valkey) as daemon:
        assert codes_in(mllp_send(daemon.port(), file)) == OK
        check_all_taken(daemon, valkey, [message.strip(b"\x0b\r") for message in messages])


def test_mllp_send_has_every_message_of_a_loose_file_acknowledged(tmp_path: Path, valkey: ValkeyServer) -> None:
    """It cuts the file before each MSH, and makes CR of every line end."""
    messages = mixture()
    file = tmp_path / "loose.hl7"
    file.write_bytes(b"\r\n".join(message.replace(b"\r", b"\r\n") for message in messages))
    with receiving(tmp_path, valkey) as daemon:
        assert codes_in(mllp_send(daemon.port(), file, "--loose")) == OK
        expected = [
            message.replace(b"\r", b"\r\n").replace(b"\r\n", b"\r").replace(b"\n", b"\r") for message in messages
        ]
        check_all_taken(daemon, valkey, [message.strip(b"\r\n ") for message in expected])


def test_the_blocking_client_of_python_hl7_feeds_a_stock_worker_in_order(tmp_path: Path, valkey: ValkeyServer) -> None:
    messages = mixture()
    with receiving(tmp_path, valkey) as daemon:
        with MLLPClient("127.0.0.1", daemon.port()) as client:
            assert codes_in([client.send_message(message) for message in messages]) == OK
        check_all_taken(daemon, valkey, messages)
        with Worker(valkey.url):
            ran = wait_until_ran(valkey.client, MESSAGES)
        check_quiet(daemon)
    assert [base64.b64decode(one["message"]["raw_b64"]) for one in ran] == messages
    assert len({one["id"] for one in ran}) == MESSAGES


def test_the_blocking_client_may_connect_anew_for_each_message(tmp_path: Path, valkey: ValkeyServer) -> None:
    messages = mixture()
    codes = []
    with receiving(tmp_path, valkey) as daemon:
        for message in messages:
            with MLLPClient("127.0.0.1", daemon.port()) as client:
                codes += codes_in([client.send_message(message)])
        assert codes == OK
        check_all_taken(daemon, valkey, messages)


@pytest.mark.anyio
async def test_the_asyncio_client_of_python_hl7_reads_every_acknowledgement(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    parsed = [hl7.parse(text) for data in mixture(2 * MESSAGES) if (text := as_text(data)) is not None][:MESSAGES]
    assert len(parsed) == MESSAGES
    with receiving(tmp_path, valkey) as daemon:
        reader, writer = await open_hl7_connection("127.0.0.1", daemon.port(), encoding="utf-8")
        for message in parsed:
            writer.writemessage(message)
            await writer.drain()
            answer = await asyncio.wait_for(reader.readmessage(), LIMIT_S)
            assert str(answer.segment("MSA")[1]) == "AA"
            assert str(answer.segment("MSA")[2]) == str(message.segment("MSH")[10])
        writer.close()
        await writer.wait_closed()
        check_all_taken(daemon, valkey, [str(message).encode() for message in parsed])


# -- hl7apy ------------------------------------------------------------------------------------------------------------


def by_hl7apy(data: bytes) -> Message | None:
    """Parse a message as hl7apy does, if it can."""
    text = as_text(data)
    if text is None:
        return None
    try:
        return parse_message(text, find_groups=False)
    except (HL7apyException, ValueError, IndexError, KeyError):
        return None


def ask(port: int, message: Message) -> bytes:
    """Do as hl7apy's sample client for ITI-21: connect, send one message, read until the end of a block, close."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as connection:
        connection.sendall(message.to_mllp().encode())
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            piece = connection.recv(1024)
            assert piece
            answer += piece
    return answer[1:-2]


def test_a_client_of_hl7apy_that_connects_for_each_message_is_answered_in_its_own_words(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    messages = [message for data in mixture(2 * MESSAGES) if (message := by_hl7apy(data)) is not None][:MESSAGES]
    assert len(messages) == MESSAGES
    with receiving(tmp_path, valkey) as daemon:
        port = daemon.port()
        answers = [ask(port, message) for message in messages]
        assert codes_in(answers) == OK
        for message, data in list(zip(messages, answers, strict=True))[::10]:
            answer = parse_message(data.decode(), find_groups=False)
            assert answer.msa.msa_1.value == "AA"
            assert answer.msa.msa_2.value == message.msh.msh_10.value
            assert answer.msh.msh_5.value == message.msh.msh_3.value
        check_all_taken(daemon, valkey, [message.to_mllp().encode()[1:-2] for message in messages])


# -- node-hl7-client ---------------------------------------------------------------------------------------------------


def test_node_hl7_client_has_every_message_acknowledged_and_sends_none_again(
    tmp_path: Path, valkey: ValkeyServer
) -> None:
    texts = [text for data in mixture(2 * MESSAGES) if (text := as_text(data)) is not None][:MESSAGES]
    assert len(texts) == MESSAGES
    with receiving(tmp_path, valkey) as daemon:
        told = exchange_with_node(tmp_path, daemon.port(), texts)
        assert told.codes == OK
        check_all_taken(daemon, valkey, told.sent)


# -- strange manners ---------------------------------------------------------------------------------------------------


def hasty(port: int, messages: Sequence[bytes]) -> None:
    """Send each message on a connection of its own and close it right after the last byte."""
    for message in messages:
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as connection:
            connection.sendall(framed(message))


def test_a_client_that_closes_right_after_the_last_byte_loses_nothing(tmp_path: Path, valkey: ValkeyServer) -> None:
    messages = mixture()
    with receiving(tmp_path, valkey) as daemon:
        hasty(daemon.port(), messages)
        check_all_taken(
            daemon, valkey, messages, in_order=False
        )  # nobody waited for an answer, so nothing says who was first


def test_clients_of_every_kind_at_once_do_not_disturb_each_other(tmp_path: Path, valkey: ValkeyServer) -> None:
    shares = [[generated(number) for number in range(start, start + 100)] for start in range(0, 800, 100)]

    def lockstep(messages: Sequence[bytes]) -> list[str]:
        with MLLPClient("127.0.0.1", port) as client:
            return codes_in([client.send_message(message) for message in messages])

    with receiving(tmp_path, valkey) as daemon, ThreadPoolExecutor(len(shares)) as threads:
        port = daemon.port()
        busy = [threads.submit(lockstep, share) for share in shares[:-1]]
        careless = threads.submit(hasty, port, shares[-1])
        assert [one.result(LIMIT_S) for one in busy] == [["AA"] * 100] * len(busy)
        careless.result(LIMIT_S)
        check_all_taken(daemon, valkey, [message for share in shares for message in share], in_order=False)
        arrived = queued(valkey)
    for share in shares[:-1]:
        wanted = frozenset(share)
        assert [message for message in arrived if message in wanted] == share
