"""Commands run in a process that cannot import some modules; not a test."""

import contextlib
import io
import json
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

from ictal.cli import main


class Hidden:
    """Hides modules, as if they were not installed."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Refuse a hidden module, and leave others to the next finder."""
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return None


def run(arguments: list[str]) -> dict[str, object]:
    """Run one command, and return its exit code and what it printed."""
    out, error = io.StringIO(), io.StringIO()
    sys.argv, code = ["ictal", *arguments], 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    return {"code": code, "out": out.getvalue(), "error": error.getvalue()}


if __name__ == "__main__":
    hidden, commands = json.loads(sys.argv[1]), json.loads(sys.argv[2])
    sys.meta_path.insert(0, Hidden({*hidden}))
    results = [run(command) for command in commands]
    found = sorted({name.partition(".")[0] for name in sys.modules} & {*hidden})
    sys.stdout.write(json.dumps({"results": results, "imported": found}))
