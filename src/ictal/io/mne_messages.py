"""What MNE-Python warns of while it reads a file, in words for the user; and what makes a recording doubtful."""

import logging
import re
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ictal.errors import ReadError

_KNOWN: tuple[tuple[str, str], ...] = (
    (r"boundary' events|sample index of -1|head radius|naming conventions|preload=False will result", ""),
    (r"No PNT file", "there is no .PNT file beside it, which would state the start"),
    (r"No LOG file", "there is no .LOG file beside it, so that its annotations are not known"),
    (r"Could not decode log", "a text of its .LOG file cannot be decoded, and is left out"),
    (r"Event log version mismatch", "its .LOG file has blocks of another version than it states"),
    (r"raw buffer could not be read.*?(\d+) samples", r"\1 samples could not be read, and are zero"),
    (r"Omitted (\d+) annotation", r"\1 of its annotations lie outside of its samples, and are left out"),
    (r"Limited (\d+) annotation", r"\1 of its annotations last beyond its samples, and are cut there"),
    (r"(\d+) events have an onset that is NaN", r"\1 of its events state no time, and are left out"),
    (
        r"Invalid measurement date|[Cc]ould not parse meas date|Cannot read in the measurement date",
        "its start is invalid",
    ),
    (r"Number of records from the header", "its header states another number of records than it holds"),
    (r"Data file name in EEG.data \((.*?)\)", r"its samples are taken from the .fdt file beside it, not from \1"),
    (r"Unknown types found", "it states types of channels that are not known; they are taken as EEG"),
    (r"stim channels are currently ignored", "its channels of stimuli are left out"),
    (r"EGI PSG sample bug", "it lacks the last sample of channels that are not EEG"),
)
"""Warnings of MNE-Python, and what is said in their place; nothing for those that do not concern the recording."""
_NO_NAMES = "the names of its channels are not known, since its .21E file is missing or unreadable"
_DOUBTS: tuple[tuple[str, str], ...] = (
    (
        r"containing channel definitions; Default channel names|Could not decode .*21E",
        f"{_NO_NAMES}; left and right may be exchanged",
    ),
    (r"[Dd]efault channel names", "the names of its channels are not known"),
    (r"[Cc]hannel names are not unique.*?\[(.*?)\]", r"several of its channels have the same name: \1"),
    (r"incorrect for record length", "how long its records last is not known, and so no time in it"),
    (
        r"not referenced to the same electrode",
        "its channels have different references, which their names do not tell",
    ),
)
"""Warnings that make sides, times or voltages doubtful."""
_INTERNAL = re.compile("^Could not read file using any|must be an instance of|^Invalid value for the")
"""What MNE-Python says to programmers."""
_LOCK = threading.RLock()
"""Filters of warnings belong to the whole process, so that one reader listens at a time."""


@dataclass
class Heard:
    """What was said while a file was read, a sentence each.

    Attributes
    ----------
    notes
        What a user must know.
    doubts
        What makes sides, times or voltages doubtful.
    """

    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def add(self, message: str) -> None:
        """Take a warning, in words for the user; once, however often it is given."""
        for table, kept in ((_DOUBTS, self.doubts), (_KNOWN, self.notes)):
            for pattern, words in table:
                if found := re.search(pattern, message, re.DOTALL):
                    _once(kept, found.expand(words))
                    return
        _once(self.notes, f"MNE-Python, which reads it, says: {_plain(message)}")


def _once(kept: list[str], sentence: str) -> None:
    if sentence and sentence not in kept:
        kept.append(sentence)


def _plain(message: str) -> str:
    """Return the first sentence of a message on one line."""
    return re.split(r"(?<=[^.])\. (?=[A-Z])", " ".join(message.split()))[0].rstrip(" .")


class _Handler(logging.Handler):
    """Hears what is logged and not warned of."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.add(record.getMessage())


@contextmanager
def listening(name: str, heard: Heard) -> Iterator[None]:
    """Keep what MNE-Python warns of, and turn whatever its parsers meet in a damaged file into a `ReadError`."""
    logger, handler = logging.getLogger("mne"), _Handler(heard)
    with _LOCK:
        logger.addHandler(handler)
        try:
            with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
                warnings.simplefilter("always")
                try:
                    yield
                finally:
                    for warning in caught:
                        if not issubclass(warning.category, (DeprecationWarning, FutureWarning, ResourceWarning)):
                            heard.add(str(warning.message))
        except ReadError:
            raise
        except Exception as error:
            raise ReadError(f"{name}: cannot be read: {words_of(error)}") from error
        finally:
            logger.removeHandler(handler)


def words_of(error: Exception) -> str:
    """Return why a file cannot be read: what MNE-Python says of it, or, of an error of Python, that it is damaged."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    frames = traceback.extract_tb(error.__traceback__)
    meant = bool(frames) and "mne" in Path(frames[-1].filename).parts and (frames[-1].line or "").startswith("raise")
    if meant and not _INTERNAL.search(str(error)):
        return _plain(str(error)) or _DAMAGED
    return _DAMAGED


_DAMAGED = "it is damaged, cut off, or not what its suffix says"
