"""The growth plot, an SVG written by hand. Axes are logarithmic: linear is a straight line."""

from __future__ import annotations

from math import ceil, floor, log10

from tests.bench.rows import Point

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 330, 260, 60, 40, 80
_COLOURS = {"pstorefs": "#b3261e", "bindfs": "#1f5fa8"}
_PANELS = (
    ("cold walk: find -printf %s, seconds", lambda point: point.walk),
    ("cold cat of everything, seconds", lambda point: point.cat),
    ("memory (PSS) after the walk, MiB", lambda point: point.memory / 1024),
)


def svg(points: dict[str, list[Point]]) -> str:
    """The picture. `points` by program."""
    width = _LEFT + len(_PANELS) * (_WIDTH + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT + 100}">',
        "<style>text {font: 12px sans-serif}</style>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (title, value) in enumerate(_PANELS):
        left = _LEFT + number * (_WIDTH + _GAP)
        series = {
            name: [(point.count, value(point)) for point in each] for name, each in points.items()
        }
        parts += _panel(left, title, series)
    return "\n".join([*parts, "</svg>\n"])


def _panel(left: int, title: str, series: dict[str, list[tuple[int, float]]]) -> list[str]:
    across = [x for each in series.values() for x, _ in each]
    up = [y for each in series.values() for _, y in each]
    low_x, high_x = floor(log10(min(across))), ceil(log10(max(across)))
    low_y, high_y = floor(log10(min(up))), ceil(log10(max(up)))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + _WIDTH * (log10(x) - low_x) / max(1, high_x - low_x),
            _TOP + _HEIGHT * (1 - (log10(y) - low_y) / max(1, high_y - low_y)),
        )

    bottom = _TOP + _HEIGHT
    parts = [f'<text x="{left}" y="{_TOP - 15}" font-weight="bold">{title}</text>']
    for power in range(low_x, high_x + 1):
        x, _ = place(10**power, 10**low_y)
        parts.append(f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#ddd"/>')
        label = f"{10**power:,}"
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{label}</text>')
    for power in range(low_y, high_y + 1):
        _, y = place(10**low_x, 10**power)
        parts.append(f'<path d="M{left} {y:.1f}h{_WIDTH}" stroke="#ddd"/>')
        label = f"{10.0**power:g}"
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    parts.append(
        f'<text x="{left + _WIDTH / 2}" y="{bottom + 38}" text-anchor="middle">records</text>'
    )
    for name, each in series.items():
        dots = [place(x, y) for x, y in each]
        colour = _COLOURS.get(name, "black")
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in dots]
        x, y = dots[-1]
        parts.append(
            f'<text x="{x - 6:.1f}" y="{y - 8:.1f}" fill="{colour}" text-anchor="end">{name}</text>'
        )
    return parts
