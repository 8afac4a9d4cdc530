"""The exceptions of ictal. Every error that a user can cause is one of these."""

import gzip
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice

MAX_SHOWN = 20
"""Number of problems that one message lists; the rest are counted."""

EXTRAS = {
    "train": (
        "torch",
        "torchvision",
        "timm",
        "lightning",
        "onnx",
        "onnxscript",
        "safetensors",
        "sklearn",
        "skl2onnx",
    ),
    "braindecode": ("braindecode",),
    "openvino": ("openvino",),
    "web": ("fastapi", "uvicorn", "python_multipart"),
    "archive": ("dask", "distributed", "duckdb", "fsspec"),
    "hub": ("huggingface_hub",),
    "vendor": ("natus_erd", "pyxdf"),
    "lsl": ("pylsl",),
}
"""Modules that each extra of pyproject.toml adds."""


class IctalError(Exception):
    """Base class of all errors that ictal raises for wrong input, settings or files.

    Attributes
    ----------
    problems
        The problems that the message lists, if it is a list, see `raise_problems`.
    """

    problems: Sequence[str] = ()


class TableError(IctalError):
    """A table of labels or predictions is invalid; the message lists every problem."""


class ReadError(IctalError):
    """A file cannot be read as an EEG recording."""


class IncompleteError(ReadError):
    """A file ends before its first samples, as while a recorder is starting."""


class WriteError(IctalError):
    """A file cannot be written."""


class ElectrodeError(IctalError):
    """A recording lacks electrodes or names one twice, or a name is not an electrode of the 10-20 system."""


class SimulationError(IctalError):
    """The requested simulation is impossible."""


class RecipeError(IctalError):
    """A recipe or one of its values is not allowed."""


class FoldError(IctalError):
    """The patients cannot be divided into the requested folds."""


class RunError(IctalError):
    """A run or archive cannot be started or resumed in this folder or on these workers."""


class ModelError(IctalError):
    """A saved model is missing, incomplete or altered."""


class UsageError(IctalError):
    """A command or function was called with arguments that are not allowed, alone or together."""


class MissingExtraError(IctalError, ImportError):
    """Something needs libraries of an extra that is not installed."""


class UnknownNameError(IctalError):
    """A name is not in a registry; the message lists the known names."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} '{name}'; known are: {', '.join(known)}")


def listed(values: Iterable[object], limit: int = 8) -> str:
    """Join values for a message; more than `limit` of them end in '...'."""
    iterator = iter(values)
    shown = [str(value) for value in islice(iterator, limit)]
    more = next(iterator, None) is not None
    return ", ".join(shown) + (", ..." if more else "")


def reason(error: Exception) -> str:
    """Return a sentence for users that says why a file cannot be read or written.

    Python's own messages speak of codecs, bytes and error numbers, and libraries add words around them.
    """
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    if isinstance(error, (EOFError, zlib.error, struct.error, zipfile.BadZipFile, gzip.BadGzipFile)):
        return "it is damaged or truncated"
    return " ".join(str(error).split()) or "it is damaged"


def raise_problems(title: str, problems: Sequence[str], error: type[IctalError] = TableError) -> None:
    """Raise one error that lists all problems; do nothing if there are none.

    Parameters
    ----------
    title
        What was checked, for example the path of a table.
    problems
        One sentence per problem, with the row, the value and what is allowed.
    error
        The class of the error.
    """
    if not problems:
        return
    lines = [f"{title}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"]
    lines += [f"  - {problem}" for problem in problems[:MAX_SHOWN]]
    if len(problems) > MAX_SHOWN:
        lines.append(f"  ... and {len(problems) - MAX_SHOWN} more")
    raised = error("\n".join(lines))
    raised.problems = tuple(problems)
    raise raised


def require(extra: str, purpose: str, *modules: str) -> None:
    """Raise a `MissingExtraError` that says what to install, unless the modules of an extra are installed.

    Parameters
    ----------
    extra
        Name of the extra.
    purpose
        What needs it: the subject of the message.
    modules
        Those that are needed; by default, all of the extra.
    """
    missing = [name for name in modules or EXTRAS[extra] if not _installed(name)]
    if missing:
        it = "them" if len(missing) > 1 else "it"
        raise MissingExtraError(
            f"{purpose} needs {', '.join(missing)}; install {it} with: pip install 'ictal[{extra}]'"
        )


@contextmanager
def naming_extras(purpose: str) -> Iterator[None]:
    """Raise a `MissingExtraError` if an import in the block fails because an extra is missing; see `require`."""
    try:
        yield
    except ModuleNotFoundError as error:
        for extra, modules in EXTRAS.items():
            if str(error.name).partition(".")[0] in modules:
                require(extra, purpose)
        raise


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # it is blocked
        return False
