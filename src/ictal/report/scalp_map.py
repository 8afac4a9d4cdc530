"""A map of the scalp that shows how strongly each electrode takes part in a pattern, as SVG for a page."""

import math

from ictal.core.montage import ANGLES, ELECTRODES
from ictal.terminology.findings import Location

RIM = 50.0
"""Radius of the head, in units of the drawing."""
DEGREE = 0.45
"""Distance of an electrode from the vertex per degree of inclination: the lowest electrodes are inside the rim."""
DISC = 6.5
"""Radius of an electrode."""
PAINT = "#0b4f8a"
INK = "#52606d"
HEAD = (
    f'<g fill="#ffffff" stroke="{INK}" stroke-width="1.6">'
    f'<path d="M-9 {-RIM + 1.5} L0 {-RIM - 9} L9 {-RIM + 1.5}"/>'
    f'<ellipse cx="{-RIM}" cy="0" rx="4" ry="10"/><ellipse cx="{RIM}" cy="0" rx="4" ry="10"/>'
    f'<circle r="{RIM:g}"/></g>'
)
"""Nose, ears and head, seen from above; the nose is up and the left side is on the left."""


def place_of(electrode: str) -> tuple[float, float]:
    """Return where an electrode is drawn, relative to the vertex: to the right, and down.

    Distance and direction from the vertex are kept (an azimuthal equidistant projection).
    """
    inclination, azimuth = ANGLES[electrode]
    angle = math.radians(azimuth)
    return DEGREE * inclination * math.cos(angle), -DEGREE * inclination * math.sin(angle)


def scalp_map(location: Location, name: str) -> str:
    """Return the map as an SVG element.

    The darker a disc, the larger the amplitude. The disc of an electrode that is not known is dashed.

    Parameters
    ----------
    location
        Where the pattern is.
    name
        Of the pattern, for readers who cannot see the map.
    """
    known = {
        electrode: share
        for electrode, share in zip(ELECTRODES, location.involvement, strict=True)
        if not math.isnan(share)
    }
    discs = "".join(_disc(electrode, known.get(electrode)) for electrode in ELECTRODES)
    title = f"{name}: at least half of the largest amplitude at {', '.join(location.electrodes) or 'no electrode'}"
    return (
        f'<svg class="scalp" role="img" viewBox="-56 -61 112 114"><title>{title}</title>{HEAD}'
        f'<g stroke="{INK}">{discs}</g></svg>'
    )


def _disc(electrode: str, share: float | None) -> str:
    x, y = place_of(electrode)
    paint = 'fill="none" stroke-dasharray="2 2"' if share is None else f'fill="{PAINT}" fill-opacity="{share:.2f}"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{DISC:g}" {paint}/>'
