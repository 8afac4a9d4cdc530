"""Write the figures of scripts into pages of the documentation."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ictal.core.atomic_files import write_text

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, FIGURE = DOCS / "side-by-side.md", DOCS / "images" / "side-by-side.svg"


def publish(name: str, lines: Sequence[str], figures: Any, folder: Path, *, write: bool) -> None:
    """Print lines, save the figures as JSON, and insert the lines into the page between the marks of this name."""
    print("\n".join(lines))
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{name}.json", json.dumps(figures, indent=1))
    if write:
        write_text(PAGE, filled(PAGE.read_text(encoding="utf-8"), name, lines))


def filled(page: str, name: str, lines: Sequence[str]) -> str:
    """Return a page with new lines between its marks of this name."""
    return between(page, f"<!-- FIGURES of {name}.py -->", f"<!-- END of {name}.py -->", ["", *lines, ""])


def between(page: str, begin: str, end: str, lines: Sequence[str]) -> str:
    """Return a page with new lines between two marks."""
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page has no lines '{begin}' and '{end}'")
    return "\n".join([before + begin, *lines, end]) + after
