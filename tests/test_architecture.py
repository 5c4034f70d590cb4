"""The structure of the code, held to what docs/architecture.md says of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
FILE_LINES = 380
FUNCTION_LINES = 60

SHELLS = frozenset(
    (
        "daemon.__main__",
        "daemon.alerts.board",
        "daemon.alerts.courier",
        "daemon.alerts.lane",
        "daemon.alerts.post",
        "daemon.alerts.queue_look",
        "daemon.answering",
        "daemon.api.dashboard.assets",
        "daemon.api.access.checking",
        "daemon.api.access.entrance",
        "daemon.api.access.hashing",
        "daemon.api.access.network",
        "daemon.api.access.store",
        "daemon.api.access.token_file",
        "daemon.api.access.verifying",
        "daemon.api.certificate",
        "daemon.api.gate",
        "daemon.api.turns",
        "daemon.api.handler",
        "daemon.api.live.broadcast",
        "daemon.api.live.reader",
        "daemon.api.live.side_sources",
        "daemon.api.live.sources",
        "daemon.api.server",
        "daemon.api.tasks.looks",
        "daemon.api.local.peer",
        "daemon.api.local.place",
        "daemon.api.local.service",
        "daemon.api.document",
        "daemon.api.flower.looking",
        "daemon.api.flower.sending",
        "daemon.api.flower.steering",
        "daemon.api.http.access",
        "daemon.api.http.line",
        "daemon.api.http.serving",
        "daemon.api.local.access",
        "daemon.dispatch.celery_line",
        "daemon.dispatch.celery_watch",
        "daemon.health.desk",
        "daemon.health.making",
        "daemon.health.outside",
        "daemon.reception",
        "daemon.scheduler.desk.board",
        "daemon.scheduler.desk.reading",
        "daemon.scheduler.desk.records",
        "daemon.scheduler.desk.service",
        "daemon.scheduler.desk.steering",
        "daemon.schedule_desk",
        "daemon.scheduler.desk.asking",
        "daemon.api.audit.sheet",
        "daemon.api.schedule.steering.recording",
        "daemon.audit.desk",
        "daemon.configuration",
        "daemon.dispatch.handover",
        "daemon.hl7listener.deidentify.secret_file",
        "daemon.hl7listener.desk.archive",
        "daemon.hl7listener.desk.feeds",
        "daemon.hl7listener.desk.messages",
        "daemon.hl7listener.desk.pause_file",
        "daemon.hl7listener.watch.service",
        "daemon.hl7listener.watch.traffic_service",
        "daemon.hl7listener.watch.usual_file",
        "daemon.intake",
        "daemon.audit.forwarding",
        "daemon.audit.trail",
        "daemon.audit.trail_file",
        "daemon.clock",
        "daemon.composition",
        "daemon.dispatch.addresses",
        "daemon.dispatch.answer_checks",
        "daemon.dispatch.application",
        "daemon.dispatch.beat_node",
        "daemon.dispatch.booking",
        "daemon.dispatch.celery_desks",
        "daemon.dispatch.broker_words",
        "daemon.dispatch.choice",
        "daemon.dispatch.client",
        "daemon.dispatch.dispatcher",
        "daemon.dispatch.history_stream",
        "daemon.dispatch.kept_results",
        "daemon.dispatch.ledger_file",
        "daemon.dispatch.message_tasks",
        "daemon.dispatch.messages",
        "daemon.dispatch.outbox_dispatcher",
        "daemon.dispatch.presence",
        "daemon.dispatch.flower_desk",
        "daemon.dispatch.queue_desk",
        "daemon.dispatch.queue_rows",
        "daemon.dispatch.queue_watch",
        "daemon.dispatch.site_queues",
        "daemon.dispatch.worker_desk",
        "daemon.dispatch.worker_looks",
        "daemon.dispatch.revoking",
        "daemon.dispatch.run_gates",
        "daemon.dispatch.run_watch",
        "daemon.dispatch.runtime_store",
        "daemon.dispatch.sent_tasks",
        "daemon.dispatch.shared_messages",
        "daemon.dispatch.site_lock",
        "daemon.dispatch.site_turn",
        "daemon.dispatch.task_desk",
        "daemon.dispatch.task_names",
        "daemon.dispatch.task_origins",
        "daemon.dispatch.task_outcomes",
        "daemon.dispatch.task_store",
        "daemon.dispatch.task_rows",
        "daemon.dispatch.telling",
        "daemon.dispatch.worker_rows",
        "daemon.embedded_broker",
        "daemon.hl7listener.ack.service",
        "daemon.hl7listener.wire.connection",
        "daemon.hl7listener.wire.reaching",
        "daemon.hl7listener.wire.feed_host",
        "daemon.hl7listener.wire.binding",
        "daemon.hl7listener.ack.counting",
        "daemon.hl7listener.lanes.arrangement_file",
        "daemon.hl7listener.lanes.drain",
        "daemon.hl7listener.lanes.holding",
        "daemon.hl7listener.lanes.lane",
        "daemon.hl7listener.lanes.reconciling",
        "daemon.hl7listener.wire.server",
        "daemon.hl7listener.ack.sharing",
        "daemon.hl7listener.spool.aside",
        "daemon.hl7listener.spool.carrying",
        "daemon.hl7listener.spool.check",
        "daemon.hl7listener.spool.disk",
        "daemon.hl7listener.spool.index",
        "daemon.hl7listener.spool.indexing",
        "daemon.hl7listener.spool.inspecting",
        "daemon.hl7listener.spool.mark",
        "daemon.hl7listener.spool.messages",
        "daemon.hl7listener.spool.opening",
        "daemon.hl7listener.spool.place",
        "daemon.hl7listener.spool.pruner",
        "daemon.hl7listener.spool.reader",
        "daemon.hl7listener.spool.schema",
        "daemon.hl7listener.spool.search",
        "daemon.hl7listener.spool.service",
        "daemon.hl7listener.spool.writer",
        "daemon.hl7listener.tls.checking",
        "daemon.hl7listener.tls.contexts",
        "daemon.hl7listener.tls.credentials",
        "daemon.hl7listener.tls.door",
        "daemon.hl7listener.tls.doors",
        "daemon.hl7listener.tls.keeper",
        "daemon.hl7listener.ack.waiting",
        "daemon.log",
        "daemon.lookout",
        "daemon.metrics",
        "daemon.metrics.feeds",
        "daemon.metrics.loop_lag",
        "daemon.metrics.metrics",
        "daemon.metrics.schedule",
        "daemon.notify",
        "daemon.scheduler.history.day",
        "daemon.scheduler.history.reader",
        "daemon.scheduler.history.schema",
        "daemon.scheduler.history.service",
        "daemon.scheduler.history.store",
        "daemon.scheduler.layers.desk",
        "daemon.scheduler.layers.ringing",
        "daemon.scheduler.layers.service",
        "daemon.scheduler.loop",
        "daemon.scheduler.offering",
        "daemon.scheduler.runs.tracker",
        "daemon.scheduler.triggers.zone_files",
        "daemon.scheduler.watch.claiming",
        "daemon.scheduler.watch.peering",
        "daemon.scheduler.watch.service",
        "daemon.scheduler.watch.telling",
        "daemon.sender.client",
        "daemon.sender.line",
        "daemon.sender.probing.acknowledgement",
        "daemon.sender.probing.bench",
        "daemon.sender.probing.charset",
        "daemon.sender.probing.content",
        "daemon.sender.probing.framing",
        "daemon.sender.probing.limits",
        "daemon.sender.probing.robustness",
        "daemon.sender.probing.suite",
        "daemon.sender.sending",
        "daemon.sender.sink",
        "daemon.sender.tls",
        "daemon.site",
        "daemon.sockets",
        "daemon.sources.django_beat",
        "daemon.sources.django_store",
        "daemon.sources.opening",
        "daemon.sources.redbeat_keys",
        "daemon.state_dir",
        "daemon.supervisor",
        "daemon.timetable",
        "daemon.tracing.export",
        "daemon.tracing.making",
        "daemon.tracing.otlp",
        "daemon.watching",
        "daemon.whole_file",
        "shim.amqp.connector",
        "shim.amqp.consuming",
        "shim.amqp.control",
        "shim.amqp.declaring",
        "shim.amqp.events",
        "shim.amqp.outbox",
        "shim.amqp.outbox_store",
        "shim.amqp.publisher",
        "shim.amqp.queues",
        "shim.amqp.window",
        "shim.app.app_router",
        "shim.app.asking",
        "shim.app.conversation",
        "shim.app.probe",
        "shim.app.probe_values",
        "shim.app.source",
        "shim.canvas.sender",
        "shim.client.addressing",
        "shim.client.amqp_carrier",
        "shim.client.amqp_control",
        "shim.client.amqp_desk",
        "shim.client.amqp_extra",
        "shim.client.carriers",
        "shim.client.client",
        "shim.client.foreign_carrier",
        "shim.client.opening",
        "shim.client.redis_carrier",
        "shim.client.ways",
        "shim.connector",
        "shim.control.client",
        "shim.control.mailbox",
        "shim.control.node",
        "shim.events.receiver",
        "shim.exchange",
        "shim.foreign.app",
        "shim.foreign.canvas",
        "shim.foreign.publisher",
        "shim.foreign.results",
        "shim.foreign.thread",
        "shim.guard.slots",
        "shim.link",
        "shim.publisher",
        "shim.queues.desk",
        "shim.queues.parking",
        "shim.results.deadlines",
        "shim.results.marking",
        "shim.results.seat",
        "shim.results.store",
        "shim.results.waiter",
        "shim.script",
        "shim.sentinel",
        "shim.subscription",
    )
)
"""Modules that do things. Everything in these packages that is not named here is pure."""

SHELL_PACKAGES = ("daemon.cli", "daemon.demo", "daemon.desks", "daemon.settings")
HANDLERS = frozenset(("channels.py", "resources.py"))
"""Files of the API that hold handlers: they wait for desks."""

IMPURE_IMPORTS = frozenset(
    (
        "aiohttp", "anyio", "asyncio", "fcntl", "io", "logging", "os", "queue", "random", "redis", "secrets", "select",
        "selectors", "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time",
    )
)  # fmt: skip
IMPURE_CALLS = frozenset(("input", "open", "print"))
IMPURE_ATTRIBUTES = frozenset(("now", "today", "utcnow", "uuid1", "uuid4", "read_text", "write_text", "read_bytes"))
PERMITTED = {
    "daemon.sender.hospital.chance": frozenset(("random",)),  # a seeded generator, handed its seed
    "shim.claim": frozenset(("read_text",)),  # the script, read once with the package
}


def modules() -> dict[str, Path]:
    """Map every module of ours to its file."""
    found = {}
    for package in ("daemon", "shim"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def pure_modules() -> list[str]:
    return sorted(
        name
        for name, path in modules().items()
        if name not in SHELLS
        and not name.startswith(SHELL_PACKAGES)
        and path.name != "__init__.py"
        and not (name.startswith("daemon.api.") and path.name in HANDLERS)
    )


def impurities(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in IMPURE_IMPORTS)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in IMPURE_IMPORTS:
            yield node.module
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                yield node.func.id
            elif isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_ATTRIBUTES:
                yield node.func.attr
        elif isinstance(node, (ast.AsyncFunctionDef, ast.Await)):
            yield "await"


def test_the_import_contracts_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    kept = lint_imports(config_filename=str(ROOT / "pyproject.toml"))
    assert kept == 0, capsys.readouterr().out


def test_the_contracts_saw_the_imports_they_judge() -> None:
    """A contract over names nobody uses is kept by everyone; these edges are known to exist."""
    graph = grimp.build_graph("daemon", "shim")
    for importer, imported in (
        ("daemon.dispatch.dispatcher", "shim.publisher"),
        ("daemon.composition", "daemon.timetable"),
        ("daemon.timetable", "daemon.scheduler"),
        ("daemon.intake", "daemon.hl7listener.wire.server"),
        ("daemon.composition", "daemon.reception"),
        ("daemon.reception", "daemon.api"),
        ("daemon.scheduler.loop", "daemon.ports"),
        ("daemon.hl7listener.lanes.lane", "daemon.ports"),
        ("daemon.cli.run", "daemon.composition"),
        ("shim.publisher", "shim.link"),
    ):
        assert graph.direct_import_exists(importer=importer, imported=imported), f"{importer} -> {imported}"
    assert len(graph.modules) > 80


def test_only_dispatch_imports_the_shim() -> None:
    graph = grimp.build_graph("daemon", "shim")
    importers = {
        importer
        for module in graph.modules
        if module.startswith("shim")
        for importer in graph.find_modules_that_directly_import(module)
        if importer.startswith("daemon")
    }
    assert {".".join(one.split(".")[:2]) for one in importers} == {"daemon.dispatch"}


def test_every_shell_that_is_named_exists() -> None:
    assert SHELLS - modules().keys() == set()


@pytest.mark.parametrize("name", pure_modules())
def test_a_pure_module_does_no_io_and_reads_no_clock(name: str) -> None:
    found = set(impurities(ast.parse(modules()[name].read_text())))
    if name.rsplit(".", 1)[-1] in ("ports", "lifecycle", "carrier", "handover"):
        found.discard("await")  # protocols of what shells do
    assert found - PERMITTED.get(name, frozenset()) == set()


@pytest.mark.parametrize("name", pure_modules())
def test_a_pure_module_imports_only_pure_modules(name: str) -> None:
    graph = grimp.build_graph("daemon", "shim")
    imported = graph.find_modules_directly_imported_by(name)
    packages = {one for one in imported if modules()[one].name == "__init__.py"}
    allowed = set(pure_modules()) | packages | {"daemon.clock"}  # the clock's protocol and its arithmetic
    settings = {one for one in imported if one.startswith(("daemon.settings", "daemon.desks."))}
    assert imported - allowed - settings == set()


def test_files_stay_short_enough_to_be_read_at_once() -> None:
    long = {
        name: count for name, path in modules().items() if (count := len(path.read_text().splitlines())) > FILE_LINES
    }
    assert long == {}


def test_functions_fit_a_screen() -> None:
    long = {}
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long[f"{name}.{node.name}"] = lines
    assert long == {}


def test_nothing_starts_a_task_outside_a_task_group() -> None:
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("create_task", "ensure_future", "gather"), f"{name}:{node.lineno}"


def test_names_avoid_the_words_that_say_nothing() -> None:
    for name in modules():
        assert not {"manager", "helper", "helpers", "util", "utils", "data", "info"} & set(name.split("."))
