"""The exceptions of ictal. Every error that a user can cause is one of these."""

import gzip
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from itertools import islice

MAX_SHOWN = 20
"""Number of problems that one message lists; the rest are counted."""


class IctalError(Exception):
    """Base class of all errors that ictal raises for wrong input, settings or files."""


class TableError(IctalError):
    """A table of labels or predictions is invalid; the message lists every problem."""


class ReadError(IctalError):
    """A file cannot be read as an EEG recording."""


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
    """A command was called with incompatible options or arguments."""


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
    raise error("\n".join(lines))
