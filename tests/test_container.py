"""The Dockerfile against SzCORE's template; .ci/container runs its command."""

import json
import re
import tomllib

from tests.pages import ROOT
from tests.test_docs import GROUP, context_of

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")


def lines(word: str) -> list[str]:
    """Return the arguments of each instruction of a kind."""
    return re.findall(rf"^{word} (.*)$", DOCKERFILE, re.MULTILINE)


def test_its_command_is_the_convention_of_szcore():
    (shell, option, command) = json.loads(lines("CMD")[0])
    assert (shell, option) == ("sh", "-c")
    name, *words = command.removeprefix("exec ").replace('"', "").split()
    assert (name, words) == ("ictal", ["szcore", "/data/$INPUT", "/output/$OUTPUT"])
    assert str(context_of(GROUP, "ictal", words).params["table"]) == "/output/$OUTPUT"
    assert json.loads(lines("VOLUME")[0]) == ["/data", "/output"]
    assert lines("ENV") == ['INPUT="" OUTPUT=""']


def test_it_does_not_run_as_root():
    (user,) = lines("USER")
    assert int(user) > 0
    assert DOCKERFILE.index("\nUSER") > DOCKERFILE.rindex("\nRUN")


def test_what_the_wheel_is_built_from_is_let_through():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    sources = {path.partition("/")[0] for path in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"], *sources}
    assert allowed == needed
