"""Where results lie: keys and addresses, judged by Celery's own back-end."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio.connection import ConnectionPool

from shim.broker_url import parse_broker_url
from shim.errors import BrokerUrlInvalid, RequestInvalid
from shim.results import ResultKeys, ResultPlace, result_place
from shim.results.keys import CHORD_SIZE

HOSTS = {"redis_host": "elsewhere", "redis_port": 7000, "redis_db": 3, "redis_username": "u", "redis_password": "p:/@?"}
ADDRESSES = [
    *("redis", "redis://", "redis://h", "redis://h/", "redis://h/5", "redis://h:1/5", "redis://:x%40y@h:1/5"),
    *(
        "redis://me:x@h/5",
        "redis://[::1]:5/1",
        "redis://h/5?db=6",
        "redis://h?virtual_host=7",
        "redis://h/5?virtual_host=7",
    ),
    *("redis://h/2?password=q&username=w", "redis://h/5?host=i&port=8", "redis://h/5?socket_timeout=3"),
    *("rediss://h/1?ssl_cert_reqs=none", "rediss://h/1?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=%2Fca.pem"),
    *("redis+socket:///run/r.sock", "redis+socket:///run/r.sock?virtual_host=4", "redis+socket:///run/r.sock?db=4"),
    *("redis+socket://:pw@/run/r.sock?virtual_host=4", "redis+socket:///run/r.sock?virtual_host=4&db=5"),
]
KEPT = ("host", "port", "db", "username", "password", "path", "ssl_ca_certs", "ssl_cert_reqs")
DEMANDS = {"CERT_REQUIRED": "required", "CERT_NONE": "none", ssl.CERT_REQUIRED: "required", ssl.CERT_NONE: "none"}


def celerys(conf: dict[str, Any]) -> dict[str, Any]:
    """Ask Celery what its back-end connects to."""
    app = Celery("judge", set_as_current=False)
    app.conf.update(conf)
    found: dict[str, Any] = app.backend.connparams
    kept = {name: found[name] for name in KEPT if found.get(name) is not None}
    if "port" in kept:
        kept["port"] = int(kept["port"])
    if "ssl_cert_reqs" in kept:
        kept["ssl_cert_reqs"] = DEMANDS.get(kept["ssl_cert_reqs"], kept["ssl_cert_reqs"])
    return kept


def ours(conf: dict[str, Any]) -> dict[str, Any]:
    """Ask the shim what it would connect to."""
    place = result_place(conf)
    assert place is not None
    assert place.is_redis
    assert place.url == parse_broker_url(place.address)
    found = ConnectionPool.from_url(place.url.address).connection_kwargs
    return {name: found[name] for name in KEPT if found.get(name) is not None}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("more", [{}, HOSTS], ids=["alone", "with settings"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_the_server_is_the_one_celery_takes(address: str, more: dict[str, Any]) -> None:
    conf = {"result_backend": address, **more}
    assert ours(conf) == celerys(conf)


@pytest.mark.parametrize("address", ["redis://h/1", "redis", "rediss://h/1?ssl_cert_reqs=none"])
@pytest.mark.parametrize("demand", [ssl.CERT_REQUIRED, ssl.CERT_NONE, "required", "CERT_NONE"])
def test_tls_settings_are_taken_as_celery_takes_them(address: str, demand: Any) -> None:
    conf = {"result_backend": address, "redis_backend_use_ssl": {"ssl_cert_reqs": demand, "ssl_ca_certs": "/ca.pem"}}
    assert ours(conf) == {**celerys(conf), "ssl_cert_reqs": ours(conf)["ssl_cert_reqs"]}
    wanted = DEMANDS.get(demand, demand)
    assert ours(conf)["ssl_cert_reqs"] == ("none" if "ssl_cert_reqs" in address else wanted)


words = st.text("ab:/@?#% \u00e4", min_size=1, max_size=5)


@given(
    st.fixed_dictionaries(
        {}, optional={"redis_username": words, "redis_password": words, "redis_db": st.integers(0, 15)}
    )
)
def test_names_and_passwords_of_any_letters_arrive(more: dict[str, Any]) -> None:
    conf = {"result_backend": "redis", **more}
    assert ours(conf) == celerys(conf)


@pytest.mark.parametrize("backend", [None, "", "disabled", "disabled://", object])
def test_an_application_may_keep_no_results(backend: Any) -> None:
    assert result_place({"result_backend": backend}) is None
    assert result_place({}) is None


@pytest.mark.parametrize("backend", ["db+sqlite:///r.db", "rpc://", "cache+memory://", "mongodb://h"])
def test_other_back_ends_are_left_to_others(backend: str) -> None:
    assert result_place({"result_backend": backend}) == ResultPlace(backend, is_redis=False)


def test_prefix_and_serializer_come_along() -> None:
    conf = {
        "result_backend": "redis://h",
        "result_serializer": "yaml",
        "result_backend_transport_options": {"global_keyprefix": "s"},
    }
    place = result_place(conf)
    assert place is not None
    assert (place.key_prefix, place.serializer) == ("s_", "yaml")


@pytest.mark.parametrize("options", [None, "text", {"global_keyprefix": None}, {"global_keyprefix": 5}])
def test_options_that_are_none_mean_no_prefix(options: Any) -> None:
    place = result_place({"result_backend": "redis://h", "result_backend_transport_options": options})
    assert place == ResultPlace("redis://h:6379/0", is_redis=True, url=parse_broker_url("redis://h:6379/0"))


def test_sentinels_are_taken_with_the_options_of_the_back_end() -> None:
    address, options = "sentinel://h:1/3;sentinel://i:2", {"master_name": "m", "global_keyprefix": "s"}
    place = result_place({"result_backend": address, "result_backend_transport_options": options})
    assert place is not None
    assert (place.is_redis, place.key_prefix) == (True, "s_")
    assert place.url == parse_broker_url(address, transport_options=options)
    with pytest.raises(BrokerUrlInvalid):
        result_place({"result_backend": address})


@pytest.mark.parametrize("backend", ["redis://h:x/1", "redis://[h/1"])
def test_what_is_no_address_is_refused_without_being_shown(backend: str) -> None:
    with pytest.raises(BrokerUrlInvalid) as caught:
        result_place({"result_backend": f"{backend}?password=SECRET"})
    assert "SECRET" not in str(caught.value)


def test_a_credential_provider_is_refused() -> None:
    with pytest.raises(BrokerUrlInvalid, match="credential"):
        result_place({"result_backend": "redis://h", "redis_backend_credential_provider": "mine.Provider"})


def test_an_address_does_not_show_in_a_representation() -> None:
    assert "SECRET" not in repr(result_place({"result_backend": "redis://:SECRET@h"}))


@pytest.mark.parametrize("prefix", ["", "site", "site:"])
def test_keys_are_celerys(prefix: str) -> None:
    app = Celery("judge", backend="redis://", set_as_current=False)
    app.conf.result_backend_transport_options = {"global_keyprefix": prefix}
    place = result_place({"result_backend": "redis://", **dict(app.conf)})
    assert place is not None
    keys = ResultKeys(place.key_prefix)
    for name in ("id", "Gr\u00fc\u00dfe", " "):
        assert keys.task(name).encode() == app.backend.get_key_for_task(name)
        assert keys.group(name).encode() == app.backend.get_key_for_group(name)
        assert keys.group(name, CHORD_SIZE).encode() == app.backend.get_key_for_group(name, ".s")


@pytest.mark.parametrize("name", ["", "\ud800"])
def test_an_id_that_cannot_travel_is_refused(name: str) -> None:
    for build in (ResultKeys().task, ResultKeys().group):
        with pytest.raises(RequestInvalid):
            build(name)
