"""Limits on the size of files and functions, on parameters, and on names of classes."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "ictal"
TEXTS = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
TREES = {name: ast.parse(text) for name, text in TEXTS.items()}

MOST_LINES = 400
MOST_FUNCTION_LINES = 60
MOST_PARAMETERS = 6

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function]]:
    """Every function, also methods and inner ones, with its place."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{name}:{node.lineno} {node.name}", node


def n_lines(function: Function) -> int:
    return function.end_lineno - function.lineno + 1


def n_parameters(function: Function) -> int:
    """All parameters but self, cls, *args and **kwargs."""
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def test_files_are_short():
    lengths = {name: len(text.splitlines()) for name, text in TEXTS.items()}
    assert len(lengths) > 100
    assert not {name: length for name, length in lengths.items() if length > MOST_LINES}


def test_functions_are_short():
    assert not {
        place: n_lines(function) for place, function in functions() if n_lines(function) > MOST_FUNCTION_LINES
    }


def test_functions_have_few_parameters():
    # In cli/ a parameter is an option of a command.
    assert not {
        place: n_parameters(function)
        for place, function in functions()
        if n_parameters(function) > MOST_PARAMETERS and not place.startswith("cli/")
    }


def test_no_two_classes_have_the_same_name():
    places = defaultdict(list)
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{name}:{node.lineno}")
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_parameters_and_lines_are_counted_as_a_reader_counts_them():
    tree = ast.parse("class A:\n  async def f(self, a, /, b, *args, c=1, **rest):\n    pass")
    (function,) = [node for node in ast.walk(tree) if isinstance(node, Function)]
    assert (n_parameters(function), n_lines(function)) == (3, 2)
