"""Pages of the site that are made while it is built: files at the root of the project, and the command line."""

import re
from pathlib import Path

import typer.cli
import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from ictal.cli import app

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Files outside of docs/, and which page each becomes."""
HEAD = """# Command line

This page shows the help of every command, as printed by `ictal --help` and `ictal COMMAND --help`.
[Outputs](outputs.md) describes standard output, standard error and the exit codes.
`ictal --install-completion` lets the Tab key complete commands, options, and the names of models, recipes, arms and
patterns.
"""


def relinked(text: str) -> str:
    """Return Markdown whose links, written for the file's place in the project, lead to the pages of the site."""
    for source, page in PAGES.items():
        text = text.replace(f"]({source}", f"]({page}")
    return text.replace("](../docs/", "](").replace("](docs/", "](")


def command_line() -> str:
    """Return the help of every command as Markdown, without typer's list of shortened first lines."""
    group = typer.main.get_command(app)
    text = typer.cli.get_docs_for_click(obj=group, ctx=typer.Context(group, info_name="ictal"), name="ictal")
    commands = text[text.index("\n## ") :]
    return re.sub(r"^Example: (.*)$", r"    \1", HEAD + commands, flags=re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    root = Path(config.config_file_path).parent
    made = {page: relinked((root / source).read_text(encoding="utf-8")) for source, page in PAGES.items()}
    for page, text in (made | {"command-line.md": command_line()}).items():
        files.append(File.generated(config, page, content=text))
    return files
