"""Who may connect, which peer it is, and what it may claim."""

from __future__ import annotations

from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.deeds import Outcome
from daemon.hl7listener.peers.identity import (
    AllowList,
    Identity,
    PeerRule,
    Permit,
    Refused,
    address_of,
    admit,
    sender_refused,
)
from daemon.hl7listener.routes.words import words
from daemon.hl7listener.text.header import Header, parse_header
from daemon.hl7listener.tls.certificate import Shown
from daemon.hl7listener.tls.faults import Refusal
from daemon.public import Public
from tests.support.builders import adt


def allow(*networks: str) -> AllowList:
    return AllowList(tuple(map(ip_network, networks)))


@pytest.mark.parametrize(
    ("networks", "host", "expected"),
    [
        ((), "10.1.2.3", True),
        ((), "", True),
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "11.1.2.3", False),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8",), "::ffff:11.1.2.3", False),
        (("10.0.0.0/8",), "::10.1.2.3", False),
        (("10.0.0.7/32",), "10.0.0.7", True),
        (("10.0.0.7/32",), "10.0.0.8", False),
        (("::1/128",), "::1", True),
        (("2001:db8::/32",), "2001:db8::7", True),
        (("2001:db8::/32",), "2001:db9::7", False),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("10.0.0.0/8", "::1/128"), "::1", True),
        (("0.0.0.0/0",), "::1", False),
        (("0.0.0.0/0",), "", False),
        (("0.0.0.0/0",), "localhost", False),
    ],
)
def test_an_address_is_allowed_as_the_table_says(networks: tuple[str, ...], host: str, expected: bool) -> None:  # noqa: FBT001
    assert allow(*networks).allows(host) is expected


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1))
def test_ipv4_networks_agree_with_arithmetic_on_their_bits(base: int, bits: int, host: int) -> None:
    mask = (2**32 - 1) << (32 - bits) & (2**32 - 1)
    text = ".".join(str(host >> shift & 255) for shift in (24, 16, 8, 0))
    network = ".".join(str((base & mask) >> shift & 255) for shift in (24, 16, 8, 0))
    assert allow(f"{network}/{bits}").allows(text) is (host & mask == base & mask)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (("10.1.2.3", 99), ("10.1.2.3", 99)),
        (("::ffff:10.1.2.3", 99, 0, 0), ("10.1.2.3", 99)),
        (("2001:db8::7", 99, 0, 0), ("2001:db8::7", 99)),
        ("/run/socket", ("", 0)),
        ("", ("", 0)),
        (None, ("", 0)),
    ],
)
def test_the_other_end_is_named_without_what_ipv6_wraps_around_it(name: Any, expected: tuple[str, int]) -> None:
    assert address_of(name) == expected


LAB = Shown("CN=lab-1,OU=Pathology,O=St. Mary", ("lab-1",), ("lab-1.example.org", "10.1.1.1"), "ab" * 32)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"subject": words(["lab-1"])}, True),
        ({"subject": words(["lab-*"])}, True),
        ({"subject": words(["ward-*", "lab-?"])}, True),
        ({"subject": words(["LAB-1"])}, False),
        ({"subject": words(["ab-1"])}, False),
        ({"subject": words(["*O=St. Mary"])}, False),
        ({"subject": words(["*,O=St. Mary"]), "whole_subject": True}, True),
        ({"subject": words(["CN=lab-*"]), "whole_subject": True}, True),
        ({"subject": words(["CN=lab-1"]), "whole_subject": True}, False),
        ({"names": words(["*.example.org"])}, True),
        ({"names": words(["lab-2.example.org"])}, False),
        ({"fingerprints": frozenset(("ab" * 32,))}, True),
        ({"fingerprints": frozenset(("cd" * 32,))}, False),
        ({"networks": (ip_network("10.0.0.0/8"),)}, True),
        ({"networks": (ip_network("11.0.0.0/8"),)}, False),
        ({"subject": words(["lab-1"]), "networks": (ip_network("11.0.0.0/8"),)}, False),
        ({"subject": words(["lab-1"]), "fingerprints": frozenset(("cd" * 32,))}, False),
    ],
)
def test_a_peer_is_known_by_all_that_is_said_of_it(rule: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    assert PeerRule(Public("lab"), **rule).fits("10.9.9.9", LAB) is expected


def test_without_a_certificate_nobody_is_known_by_one() -> None:
    assert not PeerRule(Public("lab"), subject=words(["*"])).fits("10.9.9.9", Shown())
    assert not PeerRule(Public("lab"), names=words(["*"])).fits("10.9.9.9", Shown())
    assert not PeerRule(Public("lab"), fingerprints=frozenset(("ab" * 32,))).fits("10.9.9.9", Shown())


def transport(peername: object = ("10.1.2.3", 7), session: object = None) -> Any:
    facts = {"peername": peername, "ssl_object": session}
    return SimpleNamespace(get_extra_info=lambda name, default=None: facts.get(name, default))


def test_the_first_rule_that_fits_says_who_it_is() -> None:
    permit = Permit(types=words(["ADT"]))
    rules = (
        PeerRule(Public("elsewhere"), networks=(ip_network("11.0.0.0/8"),)),
        PeerRule(Public("ward"), networks=(ip_network("10.0.0.0/8"),), permit=permit),
        PeerRule(Public("all"), networks=(ip_network("0.0.0.0/0"),)),
    )
    found = admit(AllowList(), rules, transport())
    assert found == Identity(Public("10.1.2.3"), 7, label=Public("ward"), permit=permit)


def test_one_who_is_none_of_the_peers_is_refused() -> None:
    rules = (PeerRule(Public("elsewhere"), networks=(ip_network("11.0.0.0/8"),)),)
    assert admit(AllowList(), rules, transport()) == Refused(Public("10.1.2.3"), Refusal.NO_PEER, Public(""))


def test_the_allow_list_comes_before_the_peers() -> None:
    assert admit(allow("11.0.0.0/8"), (), transport()) == Refused(Public("10.1.2.3"), Refusal.ADDRESS)


def header(**claims: str) -> Header:
    values = {
        "app": "SENDAPP",
        "facility": "SENDFAC",
        "to": "RECVAPP",
        "at": "RECVFAC",
        "type": "ADT^A01^ADT_A01",
        **claims,
    }
    line = "MSH|^~\\&|{app}|{facility}|{to}|{at}|20261122040506||{type}|M1|P|2.5".format(**values)
    found = parse_header(adt(msh=line))
    assert isinstance(found, Header)
    return found


@pytest.mark.parametrize(
    ("permit", "claims", "expected"),
    [
        (Permit(), {}, True),
        (Permit(sending_application=words(["SENDAPP"])), {}, True),
        (Permit(sending_application=words(["LAB"])), {}, False),
        (Permit(sending_application=words(["SEND*"])), {}, True),
        (Permit(sending_application=words(["SENDAPP"])), {"app": "SENDAPP^1.2.3^ISO"}, True),
        (Permit(sending_application=words(["SENDAPP"])), {"app": ""}, False),
        (Permit(sending_application=words(["SENDAPP"])), {"app": "SENDAPP~OTHER"}, False),
        (Permit(sending_facility=words(["SENDFAC"])), {"facility": "OTHER"}, False),
        (Permit(receiving_application=words(["RECVAPP"])), {"to": "OTHER"}, False),
        (Permit(receiving_facility=words(["RECVFAC"])), {"at": "OTHER"}, False),
        (Permit(types=words(["ADT"])), {}, True),
        (Permit(types=words(["ADT^A01"])), {}, True),
        (Permit(types=words(["ADT^A0?"])), {}, True),
        (Permit(types=words(["ADT^A02", "ORU"])), {}, False),
        (Permit(words(["SENDAPP"]), words(["SENDFAC"]), types=words(["ORU"])), {}, False),
    ],
)
def test_a_peer_may_claim_what_the_table_says(permit: Permit, claims: dict[str, str], expected: bool) -> None:  # noqa: FBT001
    assert permit.permits(header(**claims)) is expected


def test_the_audit_trail_is_told_who_it_was_and_nothing_of_the_message() -> None:
    told = sender_refused(Public("adt"), Identity(Public("10.1.2.3"), 7, Public("CN=lab"), label=Public("lab")))
    assert (told.who, told.about, told.address, told.reason) == ("CN=lab", "adt", "10.1.2.3", "sender-not-permitted")
    assert told.outcome is Outcome.REFUSED
