"""The manual's code: what is fenced as python or bash runs, every other command of ictal at least parses.

A page's blocks run in order, in a folder of the page's own, which holds `night.edf` and `reference_events.tsv` where
the page does not make a night itself; its Python blocks share a namespace. A block fenced as text after one of Python
is what that prints. A block with a title is a file of that name.
"""

import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from typer.core import TyperCommand, TyperGroup

from ictal.cli import app
from ictal.io.edf.writer import write_edf
from ictal.live.rules import Rules
from ictal.models.arms import find_arm
from ictal.models.external_contract import ExternalContract
from ictal.recipes import load_recipe
from ictal.recipes.loading import parse
from ictal.simulator import simulate_recording
from tests.own_arms import forgotten
from tests.pages import ROOT, blocks, code_of, in_shell, tokens

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
OWN_TESTS = {"docs/tutorial.md", "docs/archive.md"}
"""Pages that run in test_tutorial.py and archive/test_docs.py, which also look at what comes out."""
SLOW = {
    "docs/own-network.md": pytest.mark.slow,
    **dict.fromkeys(("docs/demo.md", "docs/own-data.md", "docs/fine-tuning.md"), pytest.mark.exhaustive),
}
"""Pages that train."""
RUNS = ("python", "bash")
TITLED = re.compile(r'python title="([\w.]+)"')
GROUP: Any = typer.main.get_command(app)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(text: str) -> Iterator[list[str]]:
    """Give the words after 'ictal' of each line that begins with it, up to the end of the command."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip().startswith("ictal "):
            lexer = shlex.shlex(line.strip(), posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
            yield words[1 : next((at for at, word in enumerate(words) if set(word) <= set("|&;<>")), None)]


def context_of(command: TyperCommand | TyperGroup, name: str, words: Sequence[str], above: Any = None) -> Any:
    """Return the context of the innermost command, with all its options and arguments parsed and checked."""
    context = command.make_context(name, list(words), parent=above)
    inner = [*context._protected_args, *context.args]
    if not isinstance(command, TyperGroup) or not inner:
        return context
    inner_name, inner, rest = command.resolve_command(context, inner)
    return context_of(inner, inner_name, rest, context)


def check_recipe(options: dict[str, Any]) -> None:
    """Load the recipe of a command with everything that it sets, so that no page names a key that is gone.

    Arms of plugins and of braindecode are known only where the page runs, or braindecode is installed.
    """
    if options.get("plugins"):
        return
    if "overrides" in options:
        load_recipe(
            options["recipe"] or ("finetune" if options.get("begin_with") else "quick"), options["overrides"] or ()
        )
    for arm in (options.get("arms") or "").split(","):
        if arm not in ("", "all") and (":" not in arm or find_spec("braindecode")):
            find_arm(arm)


LINES = [(name_of(page), words) for page in PAGES for _, text in blocks(page) for words in commands(text)]
NAMED = [
    (name_of(page), words)
    for page in PAGES
    for token in tokens(page)
    for child in token.children or ()
    if child.type == "code_inline"
    for words in commands(child.content)
]


@pytest.mark.parametrize(
    ("page", "words"), LINES, ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_a_command_in_a_block_parses_and_its_recipe_knows_every_key(page, words):
    check_recipe(context_of(GROUP, "ictal", words).params)


@pytest.mark.parametrize(
    ("page", "words"), NAMED, ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_a_command_in_the_text_exists_and_has_the_options_that_it_is_given(page, words):
    command = GROUP
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        _, command, words = command.resolve_command(typer.Context(command), list(words))
    assert command is not None, "no such command"
    known = {"--help", *(name for option in command.params for name in (*option.opts, *option.secondary_opts))}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize(
    ("page", "text"),
    [(name_of(page), text) for page in PAGES for text in code_of(page, "yaml")],
)
def test_a_block_of_yaml_is_part_of_a_recipe_or_a_contract_or_rules(page, text):
    if text.startswith("rules:"):
        assert Rules.model_validate(yaml.safe_load(text)).rules
    elif "output:" in text:
        assert ExternalContract.model_validate(yaml.safe_load(text)).output.patterns
    else:
        assert parse(f"name: page\n{text}", page).training


def test_every_fenced_block_is_of_a_kind_that_is_tested_or_is_an_output():
    kinds = {TITLED.sub("python", language) for page in PAGES for language, _ in blocks(page)}
    assert kinds <= {*RUNS, "", "yaml", "text"}


@pytest.fixture(scope="session")
def night(tmp_path_factory) -> Path:
    """Return a folder with twelve minutes of simulated EEG, and their seizures as a reference."""
    folder = tmp_path_factory.mktemp("night")
    recording = simulate_recording(seed=1, patient=0, hours=0.2)
    write_edf(folder / "night.edf", recording)
    rows = [(note.onset_s, note.duration_s, "sz") for note in recording.annotations if "Seizure" in note.text]
    lines = ["onset\tduration\teventType\trecordingDuration"]
    lines += [f"{onset}\t{duration}\t{kind}\t{recording.span_s}" for onset, duration, kind in rows]
    (folder / "reference_events.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def run(language: str, text: str, page: str, names: dict[str, Any]) -> None:
    if language == "python":
        exec(compile(text, page, "exec"), names)
        return
    in_shell(text)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name_of(page), marks=SLOW.get(name_of(page), ()))
        for page in PAGES
        if name_of(page) not in OWN_TESTS and any(language in RUNS for language, _ in blocks(page))
    ],
)
def test_the_blocks_of_a_page_run_and_print_what_it_says(page, night, tmp_path, monkeypatch, capsys):
    if "--out night.edf" not in "".join(code_of(page, "bash")):
        shutil.copytree(night, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    names: dict[str, Any] = {"__name__": "__main__"}
    with forgotten():
        for (language, text), (following, shown) in pairwise([*blocks(page), ("", "")]):
            if file := TITLED.fullmatch(language):
                Path(file[1]).write_text(text, encoding="utf-8")
            if language in RUNS:
                capsys.readouterr()
                run(language, text, name_of(page), names)
                if (language, following) == ("python", "text"):
                    assert capsys.readouterr().out == shown
