"""What all figures share: ink, style, and conversion to SVG for a page."""

import io
import re
from itertools import count
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

INK, FAINT = "#1f2933", "#9aa5b1"
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",
    "legend.frameon": False,
}
LONG_PATH = re.compile(r'(?<= d=")M [-\d. ]+\n(?:L [-\d. ]+\n){100,}(?=")')
"""A curve of many points, as matplotlib writes it, with six decimals each."""
STEPS_PER_POINT = 10
"""Such curves are rounded to a tenth of a point: less than a pixel, a third of the bytes."""
_ids = count()


def next_id() -> str:
    """Return an id for a part of a page that none before had."""
    return f"f{next(_ids)}"


def to_svg(figure: Figure, layout: Literal["tight", "none"] = "tight", dpi: float = 100) -> str:
    """Return a figure as SVG that can be put into a page with others (its ids are unique).

    Parameters
    ----------
    layout
        'none' keeps the position of the axes.
    dpi
        Resolution of rasterised parts.
    """
    figure.set_layout_engine(layout)
    buffer = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": f"ictal{next(_ids)}"}):
        figure.savefig(buffer, format="svg", dpi=dpi, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = LONG_PATH.sub(_compact, svg[svg.index("<svg") :])
    prefix = next_id()
    svg = re.sub(r'id="([^"]+)"', rf'id="{prefix}-\1"', svg)
    return re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{prefix}-", svg)


def _compact(path: re.Match[str]) -> str:
    """Write a curve as steps from point to point; positions are rounded, not steps, so that no error accumulates."""
    places = np.array(re.findall(r"[-\d.]+", path[0]), dtype=float).reshape(-1, 2)
    steps = np.round(places * STEPS_PER_POINT).astype(int)
    moves = " ".join(f"{move / STEPS_PER_POINT:g}" for move in np.diff(steps, axis=0).ravel())
    short = re.sub(r"\b0(?=\.)", "", moves).replace(" -", "-")
    return "M{:g} {:g}l".format(*steps[0] / STEPS_PER_POINT) + short
