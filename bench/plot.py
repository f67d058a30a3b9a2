"""Draw how the cost of a lookup grows with the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.measure import Figure

_LIMIT_MS = 1.0


def draw_curves(path: str, figures: Sequence[Figure]) -> None:
    """Write the curves of all figures that have one to an SVG file.

    Args:
        path: The file.
        figures: All figures of a run; those without a curve are left out.
    """
    import matplotlib as mpl

    # The same figures give the same file: no random ids, no date, no embedded font.
    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt

    drawn = [one for one in figures if one.curve]
    fig, axes = plt.subplots(figsize=(9, 4.8), layout="constrained")
    for number, one in enumerate(drawn):
        sizes, p50, p99 = zip(*one.curve, strict=True)
        name = one.what.rpartition(", p50")[0]
        color = f"C{number}"
        axes.plot(sizes, p50, color=color, marker="o", label=f"{name}, p50")
        axes.plot(
            sizes, p99, color=color, marker=".", linestyle=":", label=f"{name}, p99"
        )
    axes.axhline(_LIMIT_MS, color="gray", linewidth=1, label="budget of the p50")
    axes.set(xscale="log", yscale="log", xlabel="records in the ledger")
    axes.set(
        ylabel="ms for one lookup", title="What a lookup costs as the ledger grows"
    )
    axes.grid(visible=True, which="major", alpha=0.3)
    fig.legend(fontsize="x-small", loc="outside right upper")
    fig.savefig(path, metadata={"Date": None})
    plt.close(fig)
