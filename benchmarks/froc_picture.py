"""A FROC picture as SVG, written by hand: no plotting library is among the package's dependencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 900, 480
LEFT, RIGHT, TOP, BOTTOM = 62, 310, 18, 52
# Okabe and Ito's colours, which colour-blind readers tell apart; dashes tell the rest.
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8b5a2b")
# More than colours, so that a colour that comes again has another dash.
DASHES = (*[""] * 4, *["6 4"] * 2, *["2 3"] * 3, *["9 3 2 3"] * 3, *["14 3 2 3 2 3"] * 6)
LOWEST_DRAWN = 0.6  # what finds less stands in the table; drawn, it would press all others together
TICKS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


@dataclass(frozen=True)
class Line:
    """A curve, and the point at which its threshold stands on it.

    Args:
        label: in the legend.
        false_positives: per subject, rising.
        sensitivity: at each.
        point: false positives per subject and sensitivity at the threshold.
    """

    label: str
    false_positives: Sequence[float]
    sensitivity: Sequence[float]
    point: tuple[float, float] | None = None


def froc_svg(lines: Sequence[Line], title: str) -> str:
    """Draw curves over false positives per subject (logarithmic) as an SVG document."""
    lowest = min((min(line.sensitivity) for line in lines), default=0.0)
    floor = float(np.clip(np.floor(10 * lowest) / 10, LOWEST_DRAWN, 0.9))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<clipPath id="drawn"><rect width="{WIDTH}" height="{HEIGHT - BOTTOM}"/></clipPath>',
        *_axes(floor),
    ]
    for number, line in enumerate(lines):
        parts += _line(line, number, floor)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(false_positives: float) -> float:
    """Return where a number of false positives lies."""
    low, high = np.log(TICKS[0]), np.log(TICKS[-1])
    share = (np.log(np.clip(false_positives, TICKS[0], TICKS[-1])) - low) / (high - low)
    return float(LEFT + share * (WIDTH - LEFT - RIGHT))


def _y(sensitivity: float, floor: float) -> float:
    """Return where a sensitivity lies."""
    return float(TOP + (1 - sensitivity) / (1 - floor) * (HEIGHT - TOP - BOTTOM))


def _axes(floor: float) -> list[str]:
    """Return grid, ticks and names of the axes."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for tick in TICKS:
        x = _x(tick)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#dddddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#333333">{tick:g}</text>')
    step = 0.05 if floor >= 0.7 else 0.1
    for value in np.arange(floor, 1 + step / 2, step):
        y = _y(value, floor)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#333333">{value:.0%}</text>')
    middle = (LEFT + right) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">false positives per subject</text>')
    y = (TOP + bottom) / 2
    parts.append(f'<text transform="translate(16 {y}) rotate(-90)" text-anchor="middle">sensitivity</text>')
    parts.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#333333"/>')
    return parts


def _line(line: Line, number: int, floor: float) -> list[str]:
    """Return a curve, its point and its entry in the legend."""
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
    points = zip(line.false_positives, line.sensitivity, strict=True)
    path = " ".join(f"{_x(x):.1f},{_y(y, floor):.1f}" for x, y in points)
    parts = [f'<polyline points="{path}" clip-path="url(#drawn)" {style}/>']
    if line.point is not None and line.point[1] >= floor:
        x, y = line.point
        parts.append(f'<circle cx="{_x(x):.1f}" cy="{_y(y, floor):.1f}" r="4.5" fill="{colour}"/>')
    x, y = WIDTH - RIGHT + 14, TOP + 12 + 22 * number
    parts.append(f'<line x1="{x}" y1="{y}" x2="{x + 26}" y2="{y}" {style}/>')
    parts.append(f'<text x="{x + 32}" y="{y + 4}" fill="#111111">{escape(line.label)}</text>')
    return parts
