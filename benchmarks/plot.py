"""Lines over sizes, both axes logarithmic, side by side in one SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 120, 44, 40
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Told apart by people who see few colours, too."""

Line = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One chart: its title, and its lines by name."""

    title: str
    lines: Mapping[str, Line]


def svg(panels: Sequence[Panel]) -> str:
    """Draw the panels beside each other."""
    drawn = "\n".join(
        f'<g transform="translate({number * WIDTH} 0)">\n{_panel(panel)}\n</g>' for number, panel in enumerate(panels)
    )
    width = WIDTH * len(panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="11" fill="#222">\n'
        f'<rect width="{width}" height="{HEIGHT}" fill="#fff"/>\n{drawn}\n</svg>\n'
    )


def _panel(panel: Panel) -> str:
    points = [point for line in panel.lines.values() for point in line]
    parts = [f'<text x="{LEFT}" y="22" font-size="13" font-weight="bold">{escape(panel.title)}</text>']
    if not points:
        return parts[0]
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    ticks = _decades(min(y for _, y in points), max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        across = _share(x, low_x, high_x) * (WIDTH - LEFT - RIGHT)
        up = _share(y, ticks[0], ticks[-1]) * (HEIGHT - TOP - BOTTOM)
        return LEFT + across, HEIGHT - BOTTOM - up

    for tick in ticks:
        y = place(low_x, tick)[1]
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:,g}</text>')
    for size in sorted({x for x, _ in points}):
        x = place(size, ticks[0])[0]
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{size:,g}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">entries</text>')
    taken: list[float] = []
    for colour, (name, line) in zip(COLOURS, panel.lines.items(), strict=False):
        if line:
            parts += _line(name, [place(*point) for point in sorted(line)], colour, taken)
    return "\n".join(parts)


def _line(name: str, points: Sequence[tuple[float, float]], colour: str, taken: list[float]) -> list[str]:
    """Draw one line, with its name at its end where no other name stands."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    at = points[-1][1] + 4
    while any(abs(at - other) < 13 for other in taken):
        at += 2
    taken.append(at)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}',
        f'<text x="{points[-1][0] + 8:.1f}" y="{at:.1f}" fill="{colour}">{escape(name)}</text>',
    ]


def _decades(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def _share(value: float, low: float, high: float) -> float:
    return math.log(value / low) / math.log(high / low) if high > low else 0.5
