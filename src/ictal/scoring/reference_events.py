"""Reference events of recordings, read from the formats of public data sets."""

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from itertools import takewhile
from pathlib import Path, PurePath
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.errors import TableError, listed, raise_problems, reason
from ictal.scoring.burden import cover_of
from ictal.scoring.events import EVENT_PATTERNS, Span
from ictal.scoring.reference_lists import LIST_SUFFIX, TUSZ_COLUMNS, read_list, tusz_head

EVENT_COLUMNS = ("onset", "duration")
TYPE_COLUMNS = ("eventType", "trial_type")
"""Columns of a BIDS events.tsv that give the type of an event: those of SzCORE, and of BIDS itself."""
TABLE_COLUMNS = ("file", "seizure_start_s", "seizure_end_s")
"""Columns of a table of many recordings."""
MORE_COLUMNS = ("recordingDuration", "seconds")
"""Duration of a recording: in an events.tsv, and in a table of many recordings."""

TUSZ_SEIZURES = ("seiz", *["fnsz", "gnsz", "spsz", "cpsz", "absz", "tnsz", "cnsz", "tcsz", "atsz", "mysz"])
"""Types of seizures in the TUH EEG Seizure Corpus (Shah et al., Front Neuroinform 2018;12:83).

Its 'nesz', the non-epileptic seizure, is not among them: the EEG shows none.
"""
SEIZURES = re.compile(rf"sz(_.*)?|seizures?|{'|'.join(TUSZ_SEIZURES)}")
"""Types that are seizures: 'sz' and the 'sz_...' of SzCORE, plain words, and those of TUSZ."""
OTHER_NAMES = {"pled": "lpd", "gped": "gpd"} | {f"{name}s": name for name in ("lpd", "gpd")}
"""Names of patterns: those before the ACNS terminology, as in the TUH EEG Events Corpus, and plurals."""
NO_EVENT = frozenset({"bckg", "background", "other", "normal", "no seizure", "none", "n/a", "nan", ""})
"""Types that mean that there is no event."""

TOLERANCE_S = 1.0
"""Annotations are often rounded to whole seconds, so an event may end this much after the recording."""
TOLERANCE_SHARE = 0.01
"""Two statements of a recording's duration may differ by this share of it, or by `TOLERANCE_S`."""

NAME_END = re.compile(r"(_desc-ictal)?(_scores|_events|_eeg)?(\.[a-z]{3,7}(\.gz)?)?$", re.IGNORECASE)
FOLDER_FILES = ("*_events.tsv", "*.csv_bi", "*-summary.txt", "Seizures-list-*.txt")
"""Files of a folder that are read as references: of BIDS, TUSZ, CHB-MIT and Siena."""
SUBJECT_FOLDERS = "sub-*"
"""Folders of a BIDS data set with the data of one subject each."""
LONE = "/"
"""The key of a reference of one recording of any name; no recording can have this name."""


@dataclass(frozen=True)
class Reference:
    """The reference events of a recording.

    Attributes
    ----------
    name
        Of the recording, or of the file that this was read from.
    events
        Ordered by start; those of one pattern are disjoint.
    duration_s
        Of the recording, if the reference gives it.
    n_merged
        How many events were merged into others because they overlap or touch.
    n_ignored, ignored_types
        How many had a type that is not a pattern, such as an artifact, and these types.
    subject
        Whose recording it is, such as sub-01, if it was read from a BIDS data set.
    """

    name: str
    events: tuple[Span, ...]
    duration_s: float | None = None
    n_merged: int = 0
    n_ignored: int = 0
    ignored_types: tuple[str, ...] = ()
    subject: str | None = None

    @property
    def n_given(self) -> int:
        """How many events the reference has, of known types and others."""
        return len(self.events) + self.n_merged + self.n_ignored


def read_reference(path: str | Path, recording_name: str | None = None) -> Reference:
    """Read the reference events of one recording.

    Parameters
    ----------
    path
        A BIDS events.tsv (onset, duration, and eventType or trial_type), ours or SzCORE's; a table of TUSZ (.csv_bi,
        .csv); a summary of CHB-MIT or a list of Siena (.txt); a folder with such files (`FOLDER_FILES`), such as a
        BIDS data set; or a table (CSV, or TSV) with the columns `TABLE_COLUMNS` and a row per seizure.
    recording_name
        Path or name of the recording, which picks from a folder or a table; its folder, suffix and the endings
        '_eeg', '_events', '_scores' and '_desc-ictal' are ignored. An events.tsv is used regardless of its name.

    Raises
    ------
    TableError
        With all problems: a file that is not a table, missing columns, invalid times, events after the end of the
        recording, no type that is a pattern, or no reference for this recording.
    """
    references = read_references(path)
    if recording_name is not None:
        found = pick(references, recording_key(recording_name))
        if found is None:
            raise TableError(f"{path}: no reference for '{recording_name}'; {names_of(references)}")
        return found
    if len(references) != 1:
        raise TableError(f"{path}: name one of its recordings; {names_of(references)}")
    return next(iter(references.values()))


def read_references(path: str | Path) -> dict[str, Reference]:
    """Read a whole reference, by the names of its recordings without folder and suffix; see `read_reference`."""
    path = Path(path)
    if path.is_dir():
        files = [file for pattern in FOLDER_FILES for file in files_in(path, pattern)]
        if not files:
            raise TableError(f"{path}: contains no file {' or '.join(FOLDER_FILES)}")
        known = is_dataset(path)
        subjects = [file.relative_to(path).parts[0] if known else None for file in files]
        pairs = zip(files, subjects, strict=True)
        return by_key(path, [replace(one, subject=subject) for file, subject in pairs for one in _of_file(file)])
    if path.suffix.lower() == LIST_SUFFIX:
        return by_key(path, _of_file(path))
    frame = _read_text(path)
    if set(TUSZ_COLUMNS) <= set(frame.columns):
        return {LONE: _from_tusz(frame, path)}
    if set(EVENT_COLUMNS) <= set(frame.columns):
        return {LONE: _from_events(frame, path)}
    if set(TABLE_COLUMNS) <= set(frame.columns):
        return _from_table(frame, path)
    raise TableError(
        f"{path}: has the columns {listed(frame.columns)}; needed are {listed(EVENT_COLUMNS)} and eventType or "
        f"trial_type (events of one recording), {listed(TUSZ_COLUMNS)} (the same, from TUSZ), or "
        f"{listed(TABLE_COLUMNS)} (seizures of many recordings)"
    )


def is_dataset(folder: Path) -> bool:
    """Return whether a folder is a BIDS data set, with a folder for each subject."""
    return any(inner.is_dir() for inner in folder.glob(SUBJECT_FOLDERS))


def files_in(folder: Path, pattern: str) -> list[Path]:
    """Return the files below a folder; of a BIDS data set only those of its subjects, not of `derivatives`."""
    return sorted(folder.glob(f"{SUBJECT_FOLDERS}/**/{pattern}") if is_dataset(folder) else folder.rglob(pattern))


def _of_file(path: Path) -> list[Reference]:
    """Return the references of one file of a folder."""
    if path.suffix.lower() == LIST_SUFFIX:
        made = [
            _reference(one.name, [Span(*times, "seizure") for times in one.seizures], one.duration_s)
            for one in read_list(path)
        ]
        problems = [f"{one.name}: {problem}" for one in made for problem in beyond(one.events, one.duration_s)]
        raise_problems(str(path), problems)
        return made
    frame = _read_text(path)
    return [_from_tusz(frame, path) if set(TUSZ_COLUMNS) <= set(frame.columns) else _from_events(frame, path)]


def _from_tusz(frame: pd.DataFrame, path: Path) -> Reference:
    """Make the reference of one recording from a table of TUSZ; an event in several channels counts once."""
    head = tusz_head(path.read_text(encoding="utf-8", errors="replace"))
    columns = {"start_time": "onset", "label": "eventType"}
    table = frame.rename(columns=columns)
    starts, stops = _numbers(frame["start_time"]), _numbers(frame["stop_time"])
    table["duration"] = [str(stop - start) for start, stop in zip(starts, stops, strict=True)]
    table["recordingDuration"] = head.get("duration", "")
    return replace(_from_events(table, path), name=head.get("bname", str(path)))


def pick(references: dict[str, Reference], key: str) -> Reference | None:
    """Return the reference of a recording, if there is one."""
    return references.get(LONE) or references.get(key)


def recording_key(name: str) -> str:
    """Return the name of a recording in both scores and references: without folder, suffix and our endings."""
    return NAME_END.sub("", PurePath(name.replace("\\", "/")).name, count=1)


class Named(Protocol):
    """Anything with the name of a recording."""

    @property
    def name(self) -> str:
        """Path or name."""


Some = TypeVar("Some", bound=Named)


def by_key(path: Path, items: Sequence[Some]) -> dict[str, Some]:
    """Return items by their `recording_key`.

    Raises
    ------
    TableError
        If two have the same.
    """
    found: dict[str, Some] = {}
    problems = []
    for item in items:
        key = recording_key(item.name)
        if key in found:
            problems.append(f"'{key}' occurs twice: {found[key].name} and {item.name}; allowed is once")
        found[key] = item
    raise_problems(str(path), problems)
    return found


def names_of(references: dict[str, Reference]) -> str:
    """State which recordings a reference names."""
    return f"it names {len(references)} recordings: {listed(references)}"


def _read_text(path: Path) -> pd.DataFrame:
    """Read a table as text; its index has the line numbers."""
    separator = "\t" if path.suffix == ".tsv" else ","
    try:
        text = path.read_text(encoding="utf-8-sig")
        comments = sum(1 for _ in takewhile(lambda line: line.startswith("#"), text.splitlines()))
        with warnings.catch_warnings():
            # pandas only warns if it drops values that have no column.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                StringIO(text),
                sep=separator,
                skiprows=comments,
                dtype=str,
                keep_default_na=False,
                skip_blank_lines=False,
                index_col=False,
            )
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise TableError(f"{path}: cannot be read as a table: {reason(error)}") from error
    known = {*EVENT_COLUMNS, *TYPE_COLUMNS, *TABLE_COLUMNS, *MORE_COLUMNS, *TUSZ_COLUMNS}
    plain = {name.lower(): name for name in known}
    frame.columns = pd.Index([plain.get(str(name).strip().lower(), name) for name in frame.columns])
    doubled = [name for name in known if (frame.columns == name).sum() > 1]
    if doubled:
        raise TableError(f"{path}: has the column {listed(sorted(doubled))} twice; allowed is once")
    frame.index = pd.RangeIndex(2 + comments, len(frame) + 2 + comments)
    return frame[(frame != "").any(axis=1)]


def _from_events(frame: pd.DataFrame, path: Path) -> Reference:
    """Make the reference of one recording from the text of an events.tsv."""
    columns = [column for column in TYPE_COLUMNS if column in frame.columns]
    lacking = [column for column in EVENT_COLUMNS if column not in frame.columns]
    if lacking or not columns:
        lacks = listed(lacking) or "eventType or trial_type"
        raise TableError(f"{path}: lacks {lacks}; it has {listed(frame.columns)}")
    patterns = pd.Series(None, index=frame.index, dtype=object)
    for column in columns:
        patterns = patterns.where(patterns.notna(), frame[column].map(pattern_of))
    types = frame[columns].apply(lambda column: column.str.strip().str.lower())
    unknown = patterns.isna() & ~types.isin(NO_EVENT).all(axis=1)
    problems = []
    kinds = [name for name in dict.fromkeys(types[unknown].to_numpy().ravel()) if name not in NO_EVENT]
    if unknown.any() and patterns.isna().all():
        known = listed(("sz...", *TUSZ_SEIZURES, *EVENT_PATTERNS, "bckg"), 30)
        problems.append(f"no event has a known type, but {listed(kinds)}; known are {known}")
    rows = frame[patterns.notna()]
    starts, lengths = _numbers(rows["onset"]), _numbers(rows["duration"])
    problems += _wrong(rows["onset"], starts >= 0, "onset", "seconds from 0")
    problems += _wrong(rows["duration"], lengths > 0, "duration", "seconds above 0")
    duration_s = _only(frame.get("recordingDuration"), "recordingDuration", problems)
    raise_problems(str(path), problems)
    spans = [
        Span(float(start), float(start + length), pattern)
        for start, length, pattern in zip(starts, lengths, patterns[rows.index], strict=True)
    ]
    made = _reference(str(path), spans, duration_s, kinds, int(unknown.sum()))
    raise_problems(str(path), beyond(made.events, duration_s))
    return made


def _from_table(frame: pd.DataFrame, path: Path) -> dict[str, Reference]:
    """Make the references of many recordings from the text of a table with a row per seizure."""
    ends = list(TABLE_COLUMNS[1:])
    rows = frame[(frame[ends].apply(lambda column: column.str.strip()) != "").any(axis=1)]
    starts, stops = _numbers(rows[ends[0]]), _numbers(rows[ends[1]])
    problems = [f"line {line}: file is empty" for line in frame.index[frame["file"].str.strip() == ""]]
    problems += _wrong(rows[ends[0]], starts >= 0, ends[0], "seconds from 0")
    problems += _wrong(rows[ends[1]], ~(stops <= starts) & (stops > 0), ends[1], "seconds after the start")
    times = zip(starts.tolist(), stops.tolist(), strict=True)
    spans = dict(zip(rows.index, (Span(start, stop, "seizure") for start, stop in times), strict=True))
    references = []
    for name, of_file in frame.groupby("file", sort=False):
        duration_s = _only(of_file.get("seconds"), f"seconds of {name}", problems)
        chosen = [spans[line] for line in of_file.index if line in spans]
        references.append(_reference(str(name), chosen, duration_s))
    problems = problems or [
        f"{one.name}: {problem}" for one in references for problem in beyond(one.events, one.duration_s)
    ]
    raise_problems(str(path), problems)
    return by_key(path, references)


def pattern_of(text: str) -> str | None:
    """Return the pattern that a type of event means, or None."""
    text = " ".join(text.lower().split())
    if SEIZURES.fullmatch(text):
        return "seizure"
    text = OTHER_NAMES.get(text, text)
    return text if text in EVENT_PATTERNS else None


def _reference(
    name: str, spans: Sequence[Span], duration_s: float | None, ignored: Sequence[str] = (), n_ignored: int = 0
) -> Reference:
    """Join the events of one pattern that overlap or touch."""
    joined = []
    for pattern in EVENT_PATTERNS:
        cover = cover_of(spans, pattern)
        joined += [Span(float(a), float(b), pattern) for a, b in zip(cover.starts, cover.stops, strict=True)]
    joined.sort(key=lambda span: span.start_s)
    return Reference(name, tuple(joined), duration_s, len(spans) - len(joined), n_ignored, tuple(ignored))


def beyond(spans: Iterable[Span], duration_s: float | None, whose: str = "") -> list[str]:
    """List the spans that start after the recording, or end later than rounding explains."""
    return [
        f"{whose}{span.pattern} from {span.start_s:g} to {span.stop_s:g} s, but the recording lasts {duration_s:g} s"
        for span in spans
        if duration_s is not None and (span.start_s >= duration_s or span.stop_s > duration_s + TOLERANCE_S)
    ]


def _numbers(texts: "pd.Series[str]") -> npt.NDArray[np.float64]:
    """Return texts as finite numbers; NaN for any other text."""
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _wrong(texts: "pd.Series[str]", right: npt.NDArray[np.bool_], name: str, allowed: str) -> list[str]:
    return [f"line {line}: {name} is '{text}'; allowed are {allowed}" for line, text in texts[~right].items()]


def _only(texts: "pd.Series[str] | None", name: str, problems: list[str]) -> float | None:
    """Return the one number that all rows give, None if there is none; add a problem if they differ."""
    given = [] if texts is None else [text for text in texts.unique() if text.strip() not in ("", "n/a")]
    if not given:
        return None
    values = _numbers(pd.Series(given))
    if len(given) == 1 and values[0] > 0:
        return float(values[0])
    problems.append(f"{name} is {listed(given)}; allowed is one number of seconds above 0")
    return None
