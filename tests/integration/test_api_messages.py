"""Stored messages over HTTP: found and shown without what is in them; given on the record alone; handed on once more."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from daemon.api.messages import message_resources
from daemon.clock import SystemClock, instant
from daemon.deeds import Deed, DeedKind
from daemon.desks import TaskSeen
from daemon.errors import AuditFailed
from daemon.hl7listener.desk.archive import Archive
from daemon.hl7listener.desk.messages import Messages
from daemon.keys import message_id
from daemon.public import Public
from tests.support.api_serving import ADMIN, OPERATOR, VIEWER, Asking, asking
from tests.support.builders import MARKER, adt, framed
from tests.support.feeds import feed
from tests.support.listening import Station, listening

pytestmark = pytest.mark.anyio
SITE = Public("testsite")
REFUSED = adt("BAD").replace(b"ADT^A01", b"ORU^R01")


@dataclass
class Deeds:
    """Keeps what is recorded, or fails to."""

    found: list[Deed] = field(default_factory=list)
    is_broken: bool = False

    async def record(self, deed: Deed) -> None:
        await anyio.lowlevel.checkpoint()
        if self.is_broken:
            message = "the audit trail cannot be written"
            raise AuditFailed(message)
        self.found.append(deed)


class Tasks:
    """Says that every task succeeded."""

    async def seen(self, task_ids: Sequence[str]) -> Mapping[str, TaskSeen]:
        return dict.fromkeys(task_ids, TaskSeen(Public("SUCCESS"), Public("w1"), 1, 2, 3))


@dataclass
class Desk:
    """An API over a spool with messages."""

    api: Asking
    station: Station
    deeds: Deeds


@asynccontextmanager
async def desk(folder: Path, *messages: bytes) -> AsyncIterator[Desk]:
    deeds, of, clock = Deeds(), feed(), SystemClock()
    async with listening(folder) as station:
        async with station.calling() as caller:
            await caller.send(framed(*messages))
            await caller.replies(len(messages))
        archive = Archive(SITE, [of], folder, deeds, secret=lambda: b"s" * 32)
        again = Messages([of], station.storage.spool, folder, clock, deeds, secret=lambda: b"s" * 32)
        resources = message_resources(archive, again, Tasks(), station.clock.now_us)
        async with asking(resources) as api:
            yield Desk(api, station, deeds)


async def test_messages_are_listed_the_newest_first_in_pages(tmp_path: Path) -> None:
    async with desk(tmp_path, *(adt(f"M{number}") for number in range(7))) as at:
        found: list[str] = []
        after, pages = "", 0
        while pages < 10:
            page = (await at.api.ask(f"/api/messages?limit=3&after={after}", caller=VIEWER)).body
            found += [one["control_id"] for one in page["items"]]
            pages += 1
            if page["next"] is None:
                break
            after = page["next"]
        assert found == [f"M{number}" for number in range(6, -1, -1)]
        assert pages == 3


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("control_id=M1", ["M1"]),
        ("state=quarantined", ["BAD"]),
        ("errors_only=true", ["BAD"]),
        ("type=ORU", ["BAD"]),
        ("code=ar", ["BAD"]),
        ("feed=nobody", []),
        ("code=AA&type=ADT&event=A01", ["M2", "M1"]),
    ],
)
async def test_they_are_filtered(tmp_path: Path, query: str, found: list[str]) -> None:
    async with desk(tmp_path, adt("M1"), REFUSED, adt("M2")) as at:
        page = (await at.api.ask(f"/api/messages?{query}", caller=VIEWER)).body
        assert [one["control_id"] for one in page["items"]] == found


async def test_what_came_before_the_window_is_not_listed(tmp_path: Path) -> None:
    async with desk(tmp_path, adt("M1")) as at:
        now = instant(at.station.clock.now_us())
        later = (now + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
        assert (await at.api.ask(f"/api/messages?since={later}", caller=VIEWER)).body["items"] == []
        page = (await at.api.ask(f"/api/messages?until={later}", caller=VIEWER)).body
        assert [one["sequence"] for one in page["items"]] == [1]
        assert page["since_at"] == (now + timedelta(seconds=1 - 3600)).isoformat().replace("+00:00", "Z")


async def test_one_is_shown_with_its_outline_its_answer_its_task_and_its_way(tmp_path: Path) -> None:
    async with desk(tmp_path, adt("M1")) as at:
        found = (await at.api.ask("/api/messages/1", caller=VIEWER)).body
        epoch = at.station.storage.spool.epoch
        assert found["message"]["control_id"] == "M1"
        assert found["segments"][0]["name"] == "MSH"
        assert found["answer"]["codes"] == ["AA"]
        [task] = found["tasks"]
        assert task["task_id"] == message_id(SITE, "adt", epoch, 1)
        assert (task["name"], task["route"], task["state"]) == ("recording.message", "1 recording.message", "success")
        steps = [(one["step"], one["is_done"], one["at"] is not None) for one in found["path"]]
        assert steps[:2] == [("received", True, True), ("answered", True, False)]
        assert steps[2] in [("waiting", True, False), ("enqueued", True, False)]


async def test_no_viewer_sees_anything_of_a_patient(tmp_path: Path) -> None:
    """The sender's messages hold a marker wherever a patient's data may be."""
    assert MARKER.encode() in adt("M1")
    async with desk(tmp_path, adt("M1"), REFUSED) as at:
        for path in ("/api/messages", "/api/messages?errors_only=true", "/api/messages/1", "/api/messages/2"):
            for caller in (VIEWER, OPERATOR, ADMIN):
                assert MARKER not in (await at.api.ask(path, caller=caller)).text
        body = {"sequences": [1, 2]}
        assert MARKER not in (await at.api.post("/api/messages/replay/preview", body, caller=OPERATOR)).text
        for caller in (VIEWER, OPERATOR, ADMIN):
            refused = await at.api.post("/api/messages/1/reveal", {"scope": "whole", "reason": "x"}, caller=caller)
            assert refused.status == 403
            refused = await at.api.post("/api/messages/search", {"patient": "1", "reason": "x"}, caller=caller)
            assert refused.status == 403
        raw = {"sequences": [1], "deidentify": False, "reason": "x"}
        assert (await at.api.post("/api/messages/export", raw, caller=OPERATOR)).status == 403
        assert at.deeds.found == []


async def test_a_look_is_recorded_before_it_is_given_and_not_kept_by_anyone(tmp_path: Path) -> None:
    async with desk(tmp_path, adt("M1")) as at:
        whole = {"scope": "whole", "reason": "ticket 7"}
        shown = await at.api.post("/api/messages/1/reveal", whole, caller="viewer phi")
        assert base64.b64decode(shown.body["raw_b64"]) == adt("M1")
        assert shown.body["segments"][0].startswith("MSH|")
        assert shown.headers["Cache-Control"] == "no-store"
        name = {"scope": "MSH-10", "reason": "ticket 8"}
        assert (await at.api.post("/api/messages/1/reveal", name, caller="viewer phi")).body["values"] == ["M1"]
        answer = {"scope": "answer", "reason": "x"}
        assert "MSA|AA|M1" in (await at.api.post("/api/messages/1/reveal", answer, caller="viewer phi")).text
        assert [(deed.kind, deed.who, deed.about, deed.note) for deed in at.deeds.found[:2]] == [
            (DeedKind.MESSAGE_REVEALED, "viewer", "message 1", "whole; ticket 7"),
            (DeedKind.MESSAGE_REVEALED, "viewer", "message 1", "MSH-10; ticket 8"),
        ]
        at.deeds.is_broken = True
        refused = await at.api.post("/api/messages/1/reveal", whole, caller="viewer phi")
        assert refused.status == 503
        assert MARKER not in refused.text


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("1/reveal", {"scope": "whole"}, 422),
        ("1/reveal", {"scope": "whole", "reason": " "}, 422),
        ("1/reveal", {"scope": "everything", "reason": "x"}, 422),
        ("99/reveal", {"scope": "whole", "reason": "x"}, 404),
        ("x/reveal", {"scope": "whole", "reason": "x"}, 404),
        ("99999999999999999999/reveal", {"scope": "whole", "reason": "x"}, 404),
        ("search", {"patient": "", "reason": "x"}, 422),
        ("search", {"patient": "x", "reason": "x", "since": "0001-01-01T00:00:00+23:59"}, 422),
        ("search", {"patient": "x", "reason": "x", "until": "9999-12-31T23:59:59-23:59"}, 422),
        ("replay", {"sequences": []}, 422),
        ("replay", {"sequences": [1, 2]}, 422),
        ("replay", {"sequences": [1], "deidentify": True}, 422),
        ("replay", {"sequences": [1], "to_feed": "nobody"}, 404),
    ],
)
async def test_what_cannot_be_is_refused(tmp_path: Path, path: str, body: dict[str, Any], status: int) -> None:
    async with desk(tmp_path, adt("M1")) as at:
        refused = await at.api.post(f"/api/messages/{path}", body, caller="admin phi")
        assert (refused.status, refused.body["status"]) == (status, status)
        assert at.deeds.found == []


async def test_a_patient_is_searched_for_on_the_record_which_does_not_name_them(tmp_path: Path) -> None:
    other = adt("M2").replace(b"PID|1||", b"PID|1||OTHER-7^^^H~", 1)
    assert b"OTHER-7" in other
    async with desk(tmp_path, adt("M1"), other) as at:
        body = {"patient": "OTHER-7", "reason": "asked by the ward"}
        found = await at.api.post("/api/messages/search", body, caller="viewer phi")
        assert [one["control_id"] for one in found.body["items"]] == ["M2"]
        [deed] = at.deeds.found
        assert (deed.kind, deed.about) == (DeedKind.MESSAGES_SEARCHED, "messages of one patient")
        assert "OTHER-7" not in repr(deed)
        assert "asked by the ward" in deed.note


async def test_messages_are_given_as_a_file_without_their_patients(tmp_path: Path) -> None:
    async with desk(tmp_path, adt("M1"), adt("M2")) as at:
        body = {"sequences": [1, 2, 9], "reason": "for the vendor", "format": "jsonl"}
        given = await at.api.post("/api/messages/export", body, caller=OPERATOR)
        assert given.status == 200
        lines = [base64.b64decode(json.loads(line)["raw_b64"]) for line in given.text.splitlines()]
        assert len(lines) == 2
        assert MARKER not in given.text
        assert not [line for line in lines if MARKER.encode() in line]
        assert given.headers["X-Carillon-Left-Out"] == "1"
        [deed] = at.deeds.found
        assert (deed.kind, deed.about, deed.count) == (DeedKind.MESSAGES_EXPORTED, "messages 1-2", 2)


async def test_messages_are_handed_on_once_more_and_one_request_made_twice_is_one(tmp_path: Path) -> None:
    async with desk(tmp_path, adt("M1"), adt("M2")) as at:
        preview = await at.api.post("/api/messages/replay/preview", {"sequences": [1, 2, 7]}, caller=OPERATOR)
        assert (preview.body["count"], preview.body["missing"], preview.body["tier"]) == (2, [7], 2)
        body = {"sequences": [1, 2], "reason": "again", "confirm": 2}
        header = {"Idempotency-Key": "k1"}
        first = await at.api.post("/api/messages/replay", body, caller=OPERATOR, headers=header)
        again = await at.api.post("/api/messages/replay", body, caller=OPERATOR, headers=header)
        assert first.body == again.body == {"stored": {"1": 3, "2": 4}, "left_out": {}}
        assert [deed.kind for deed in at.deeds.found] == [DeedKind.MESSAGES_REPLAYED]
        shown = (await at.api.ask("/api/messages/1", caller=VIEWER)).body
        assert [(one["sequence"], one["is_replay"]) for one in shown["copies"]] == [(3, True)]
        other = {"sequences": [1], "to_feed": "adt"}
        assert (await at.api.post("/api/messages/replay", other, caller=OPERATOR)).status == 403
        assert (await at.api.post("/api/messages/replay", other, caller=ADMIN)).status == 200


async def test_each_sees_what_they_may_do(tmp_path: Path) -> None:
    async with desk(tmp_path, adt("M1")) as at:
        for caller, actions in (
            (VIEWER, []),
            ("viewer phi", ["reveal"]),
            (OPERATOR, ["replay", "export"]),
            ("admin phi", ["replay", "export", "reveal"]),
        ):
            [row] = (await at.api.ask("/api/messages", caller=caller)).body["items"]
            assert row["allowed_actions"] == actions
