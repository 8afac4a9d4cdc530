"""Files that register arms, as `--plugin` gives them."""

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path

from ictal.core.atomic_files import hash_of, sha256_of
from ictal.errors import IctalError, ModelError, UnknownNameError, naming_extras, reason
from ictal.models.arms import ARMS, all_or_none, find_arm

_MODULE = "ictal_plugin_"


def load_plugin(path: str | Path) -> list[str]:
    """Run a file that registers arms, as the option `--plugin` does, and return their names.

    A file that was loaded before is run again only if it has changed.

    Parameters
    ----------
    path
        A Python file that uses the decorator `ictal.arm` or `ictal.estimator`. It runs with your rights, as every
        program does: load only files that you trust.

    Raises
    ------
    ModelError
        If there is no such file, if it cannot be run, registers nothing, or registers a name that is taken; then none
        of its arms is registered.
    """
    file = Path(path).absolute()
    try:
        sha256 = sha256_of(file)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read as a plugin: {reason(error)}") from error
    before = [arm for arm in ARMS.values() if arm.file == file]
    if before and all(arm.code and arm.code.sha256 == sha256 for arm in before):
        return [arm.name for arm in before]
    with all_or_none():
        for arm in before:
            del ARMS[arm.name]
        known = set(ARMS)
        _run(file)
        found = [name for name in ARMS if name not in known]
        if not found:
            raise ModelError(f'{path}: registers no arm; decorate a network with @ictal.arm("NAME")')
    return found


def own_files() -> tuple[tuple[str, Path], ...]:
    """Return name and file of each own arm that is registered, for `load_files` in another process."""
    return tuple((arm.name, arm.file) for arm in ARMS.values() if arm.file)


def load_files(files: Iterable[tuple[str, Path]]) -> None:
    """Load the files of some arms, given name and file, in a process that does not know the arms yet."""
    for name, file in files:
        try:
            find_arm(name)
        except UnknownNameError:
            load_plugin(file)


def _run(file: Path) -> None:
    """Run a file as a module of its own name, so that its classes can be found."""
    # Files of the same name in several folders are several modules.
    name = f"{_MODULE}{file.stem}_{hash_of(str(file))}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ModelError(f"{file}: is not a Python file; a plugin has the ending .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with naming_extras(str(file)):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        if isinstance(error, ModelError):
            raise ModelError(f"{file}: {error}") from error
        if isinstance(error, IctalError):
            raise
        raise ModelError(f"{file}: cannot be run as a plugin: {_where(error, file)}") from error


def _where(error: BaseException, file: Path) -> str:
    """Return the error of a file in one line, with the line of the file where it happened."""
    lines, trace = [getattr(error, "lineno", None)] if isinstance(error, SyntaxError) else [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    place = f"line {lines[-1]}: " if lines else ""
    return f"{place}{type(error).__name__}: {error}"
