"""Draw how a log grew: points of a line in a box of 640 by 200."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LEFT, RIGHT, TOP, BOTTOM = 10, 630, 20, 170


def draw_growth(points: Sequence[tuple[int, int]]) -> str | None:
    """Return the points of a polyline, None where there is nothing to draw.

    >>> draw_growth([(0, 1), (50, 5), (100, 11)])
    '10.0,156.4 320.0,101.8 630.0,20.0'

    Args:
        points: (ms UTC, records), both never falling.
    """
    if len(points) < 2 or points[-1][0] <= points[0][0]:
        return None
    first_ms, last_ms, most = points[0][0], points[-1][0], max(1, points[-1][1])
    return " ".join(
        f"{LEFT + (RIGHT - LEFT) * (at_ms - first_ms) / (last_ms - first_ms):.1f},"
        f"{BOTTOM - (BOTTOM - TOP) * size / most:.1f}"
        for at_ms, size in points
    )
