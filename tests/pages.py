"""Pages of the manual: their blocks of code, and a shell in which these run."""

import subprocess
import sys
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
SHELL = f"""set -euo pipefail
python() {{ "{sys.executable}" "$@"; }}
ictal() {{ python -m ictal "$@" || [ $? -eq 3 ]; }}
"""
"""A page may show a recording that cannot be scored: the code of a command that ended for the others is 3."""


def tokens(page: Path) -> list[Token]:
    return MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return language and text of each block of code; an indented one has no language."""
    return [(token.info, token.content) for token in tokens(page) if token.type in ("fence", "code_block")]


def code_of(page: Path, language: str) -> list[str]:
    """Return the blocks of one language."""
    return [text for known, text in blocks(page) if known == language]


def in_shell(text: str, folder: Path | None = None) -> str:
    """Run a block in a folder, without any the present one; it must end well. Return what it said of itself."""
    told = subprocess.run(["bash", "-c", SHELL + text], cwd=folder, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    return told.stdout + told.stderr
