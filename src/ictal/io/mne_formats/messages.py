"""Translation of MNE-Python's warnings into notes for users, and into doubts about a recording."""

import logging
import re
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ictal.core.mne_lock import MNE
from ictal.errors import ReadError, reason

_KNOWN: tuple[tuple[str, str], ...] = (
    (r"boundary' events|sample index of -1|head radius|naming conventions|preload=False will result", ""),
    (r"raw buffer could not be read.*?(\d+) samples", r"\1 samples could not be read and are zero"),
    (r"Omitted (\d+) annotation", r"\1 of its annotations are outside its samples and are left out"),
    (r"Limited (\d+) annotation", r"\1 of its annotations end after its samples and are shortened"),
    (r"(\d+) events have an onset that is NaN", r"\1 of its events have no time and are left out"),
    (
        r"Invalid measurement date|[Cc]ould not parse meas date|Cannot read in the measurement date",
        "its start is invalid",
    ),
    (r"Number of records from the header", "its header states another number of records than it has"),
    (r"Data file name in EEG.data \((.*?)\)", r"its samples are read from the .fdt file in the same folder, not \1"),
    (r"Unknown types found", "it has unknown channel types, which are treated as EEG"),
    (r"stim channels are currently ignored", "its stimulus channels are left out"),
    (r"EGI PSG sample bug", "the last sample of its non-EEG channels is missing"),
)
"""Warnings of MNE-Python and the notes that replace them; '' for warnings that do not concern the recording."""
_DOUBTS: tuple[tuple[str, str], ...] = (
    (r"[Dd]efault channel names", "its channel names are unknown"),
    (r"[Cc]hannel names are not unique.*?\[(.*?)\]", r"several of its channels have the same name: \1"),
    (r"incorrect for record length", "the length of its records is unknown, and so are all times"),
    (
        r"not referenced to the same electrode",
        "its channels have different references, which are missing from their names",
    ),
)
"""Warnings that make sides, times or voltages doubtful."""
_INTERNAL = re.compile("^Could not read file using any|must be an instance of|^Invalid value for the")
"""Errors of MNE-Python that are meant for programmers."""
_DAMAGED = "it is damaged, truncated, or not in the format of its suffix"


@dataclass
class ReaderMessages:
    """Messages collected while a file was read, one sentence each.

    Attributes
    ----------
    notes
        Messages that a user must know.
    doubts
        Reasons to doubt sides, times or voltages.
    """

    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def add(self, message: str) -> None:
        """Add a warning, translated for users; repeated warnings are added once."""
        for table, sentences in ((_DOUBTS, self.doubts), (_KNOWN, self.notes)):
            for pattern, words in table:
                if found := re.search(pattern, message, re.DOTALL):
                    _add_once(sentences, found.expand(words))
                    return
        _add_once(self.notes, f"MNE-Python warns: {_first_sentence(message)}")


def _add_once(sentences: list[str], sentence: str) -> None:
    if sentence and sentence not in sentences:
        sentences.append(sentence)


def _first_sentence(message: str) -> str:
    """Return the first sentence of a message on one line."""
    return re.split(r"(?<=[^.])\. (?=[A-Z])", " ".join(message.split()))[0].rstrip(" .")


class _Handler(logging.Handler):
    """Collects messages that MNE logs instead of warning."""

    def __init__(self, messages: ReaderMessages) -> None:
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.add(record.getMessage())


@contextmanager
def collect_messages(name: str, messages: ReaderMessages) -> Iterator[None]:
    """Collect MNE-Python's warnings, and turn any error of its parsers in a damaged file into a `ReadError`."""
    logger, handler = logging.getLogger("mne"), _Handler(messages)
    with MNE:
        logger.addHandler(handler)
        try:
            with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
                warnings.simplefilter("always")
                try:
                    yield
                finally:
                    for warning in caught:
                        if not issubclass(warning.category, (DeprecationWarning, FutureWarning, ResourceWarning)):
                            messages.add(str(warning.message))
        except ReadError:
            raise
        except Exception as error:
            raise ReadError(f"{name}: cannot be read: {_mne_reason(error)}") from error
        finally:
            logger.removeHandler(handler)


def _mne_reason(error: Exception) -> str:
    """Return MNE-Python's own message, or, for any other error in its parsers, that the file is damaged."""
    if isinstance(error, OSError) and error.errno:
        return reason(error)
    frames = traceback.extract_tb(error.__traceback__)
    meant = bool(frames) and "mne" in Path(frames[-1].filename).parts and (frames[-1].line or "").startswith("raise")
    if meant and not _INTERNAL.search(str(error)):
        return _first_sentence(str(error)) or _DAMAGED
    return _DAMAGED
