"""A small table of results, which a terminal and a notebook both show."""

from dataclasses import dataclass
from html import escape

STYLE = "border-collapse: collapse; margin: 0.5em 0"


@dataclass(frozen=True)
class SummaryTable:
    """Text in rows and columns.

    Attributes
    ----------
    columns
        Headings.
    rows
        A cell per column.
    title
        Above the table.
    minor
        Numbers of the rows that are less prominent, such as baselines.
    rules
        Numbers of the rows that a line separates from the row above.
    min_width
        Characters per column.
    numbers
        Whether all columns but the first are numbers, which are aligned on the right.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    minor: frozenset[int] = frozenset()
    rules: frozenset[int] = frozenset()
    min_width: int | None = None
    numbers: bool = True

    def to_html(self) -> str:
        """Return the table as HTML, with all text escaped."""
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        head = "".join(self._cell("th", name, place) for place, name in enumerate(self.columns))
        body = "".join(self._row(number, row) for number, row in enumerate(self.rows))
        return f'<table style="{STYLE}">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'

    def _row(self, number: int, row: tuple[str, ...]) -> str:
        styles = [
            *(["opacity: 0.6"] if number in self.minor else []),
            *(["border-top: 1px solid"] if number in self.rules else []),
        ]
        style = f' style="{"; ".join(styles)}"' if styles else ""
        return f"<tr{style}>{''.join(self._cell('td', text, place) for place, text in enumerate(row))}</tr>"

    def _cell(self, tag: str, text: str, place: int) -> str:
        side = "right" if place and self.numbers else "left"
        return f'<{tag} style="text-align: {side}">{escape(text).replace(chr(10), "<br>")}</{tag}>'


def html_of(*parts: str | SummaryTable) -> str:
    """Return paragraphs and tables as HTML, for a notebook."""
    shown = (part.to_html() if isinstance(part, SummaryTable) else f"<p>{escape(part)}</p>" for part in parts)
    return f"<div>{''.join(shown)}</div>"
