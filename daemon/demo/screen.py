"""What the demo shows: a live picture on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from daemon.demo.tally import Tally, percentile, sparkline
from daemon.sender.simulate import WARDS

_RATE_POINTS = 60
_EVENTS_SHOWN = 7
_BAR = 24


@dataclass(slots=True)
class EntryLine:
    """One entry as the picture shows it."""

    schedule: str
    fired: int = 0
    lateness_s: float = 0.0


@dataclass(slots=True)
class Picture:
    """Everything the screen is drawn from."""

    entries: dict[str, EntryLine]
    worker: str = "starting"
    tally: Tally = field(default_factory=Tally)
    elapsed_s: float = 0.0
    limit_s: float | None = None
    stage: str = "starting"
    ack_s: deque[float] = field(default_factory=lambda: deque(maxlen=2000))
    lateness_s: deque[float] = field(default_factory=lambda: deque(maxlen=500))
    acked_per_second: deque[int] = field(default_factory=lambda: deque([0], maxlen=_RATE_POINTS))
    done_per_second: deque[int] = field(default_factory=lambda: deque([0], maxlen=_RATE_POINTS))
    events: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=_EVENTS_SHOWN))
    wards: dict[str, int] = field(default_factory=dict)

    def note(self, kind: str, text: str) -> None:
        """Add a line to the events."""
        self.events.append((kind, text))


def draw(picture: Picture) -> RenderableType:
    """Draw the whole screen."""
    layout = Layout()
    layout.split_column(
        Layout(_head(picture), size=3),
        Layout(name="tiles", size=7),
        Layout(name="middle", size=9),
        Layout(_events(picture), name="events", size=_EVENTS_SHOWN + 2),
    )
    layout["tiles"].split_row(*(Layout(tile) for tile in _tiles(picture)))
    layout["middle"].split_row(Layout(_board(picture)), Layout(_schedule(picture)))
    return layout


def _head(picture: Picture) -> RenderableType:
    left = f" of {picture.limit_s:.0f} s" if picture.limit_s is not None else ""
    text = Text.assemble(
        ("Carillon demo", "bold"),
        f"   {picture.elapsed_s:5.1f} s{left}   ",
        (picture.stage, "cyan"),
        "   Ctrl-C stops   send your own: ",
        ("carillon hl7 send FILE --to 127.0.0.1:2575", "bold"),
    )
    return Panel(text, box=ROUNDED, border_style="blue")


def _tiles(picture: Picture) -> Sequence[RenderableType]:
    tally = picture.tally
    ack_ms = [seconds * 1000 for seconds in picture.ack_s]
    late_ms = [seconds * 1000 for seconds in picture.lateness_s]
    return (
        _tile(
            "HL7 feed  adt",
            (("sent", f"{tally.sent}"), ("acknowledged", f"{tally.acked}")),
            _middle_and_worst(ack_ms),
            sparkline(picture.acked_per_second, 22),
        ),
        _tile(
            "Spool and queue",
            (("stored", f"{tally.spooled}"), ("waiting", f"{tally.waiting}")),
            f"queue depth {tally.queued}",
            "",
        ),
        _tile(
            f"Worker  {picture.worker}",
            (("succeeded", f"{tally.succeeded}"), ("failed", f"{tally.failed}")),
            "stock Celery",
            sparkline(picture.done_per_second, 22),
        ),
        _tile(
            "Schedule",
            (("entries fired", f"{tally.fires}"), ("entries", f"{len(picture.entries)}")),
            _middle_and_worst(late_ms),
            sparkline(late_ms, 22),
        ),
    )


def _middle_and_worst(times_ms: Sequence[float]) -> str:
    return f"p50 {percentile(times_ms, 0.5):.1f} p99 {percentile(times_ms, 0.99):.1f} ms"


def _tile(title: str, numbers: Sequence[tuple[str, str]], line: str, graph: str) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(style="dim")
    table.add_column(justify="right", style="bold green")
    for name, value in numbers:
        table.add_row(name, value)
    return Panel(
        Group(table, Text(line, style="dim", no_wrap=True), Text(graph, style="cyan", no_wrap=True)),
        title=title,
        box=ROUNDED,
        border_style="blue",
    )


def _board(picture: Picture) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="bold")
    table.add_column(no_wrap=True)
    table.add_column(justify="right", style="dim")
    for ward, beds in WARDS.items():
        used = picture.wards.get(ward, 0)
        filled = round(min(used / beds, 1.0) * _BAR)
        colour = "green" if used < beds * 0.8 else "yellow"
        table.add_row(
            ward, Text("█" * filled, style=colour) + Text("░" * (_BAR - filled), style="dim"), f"{used}/{beds}"
        )
    caption = Text("kept by the worker from A01, A02, A03", style="dim")
    return Panel(Group(table, caption), title="Bed board", box=ROUNDED, border_style="blue")


def _schedule(picture: Picture) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim")
    for name, justify in (("entry", "left"), ("schedule", "left"), ("fired", "right"), ("late", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name, line in picture.entries.items():
        late = f"{line.lateness_s * 1000:.1f} ms" if line.fired else "-"
        table.add_row(name, line.schedule, str(line.fired), late)
    return Panel(table, title="Entries", box=ROUNDED, border_style="blue")


_MARKS = {"entry": ("♪", "magenta"), "hl7": ("⇢", "cyan"), "worker": ("✓", "green"), "warn": ("!", "yellow bold")}


def _events(picture: Picture) -> RenderableType:
    lines = []
    for kind, text in picture.events:
        mark, style = _MARKS.get(kind, ("·", "dim"))
        lines.append(Text.assemble((f"{mark} {kind:7}", style), text, no_wrap=True, overflow="ellipsis"))
    return Panel(Group(*lines), title="What happens", box=ROUNDED, border_style="blue")


def plain_line(picture: Picture) -> str:
    """Write the state as one line, for a pipe."""
    tally = picture.tally
    return (
        f"{picture.elapsed_s:6.1f} s  {picture.stage:9}  {tally.sent} sent  {tally.acked} acked  {tally.spooled} spooled  "
        f"{tally.queued} queued  {tally.succeeded} tasks succeeded  {tally.fires} entries fired"
    )
