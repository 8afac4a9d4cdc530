"""The header of a de-identified EDF or BDF file: each field is built anew, or kept only if it has a known form."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from ictal.core.channel_labels import find_electrode, find_pair, is_reference, read_labels
from ictal.deidentification.identifiers import Identifiers
from ictal.deidentification.removal import Removal
from ictal.errors import ReadError, listed
from ictal.io.edf.dates import FIRST_DAY, date_text
from ictal.io.edf.header import FIELDS, MAIN_BYTES, SIGNAL_BYTES, EdfFile
from ictal.io.edf.header_fields import header_field, shown
from ictal.io.edf.reader import unit_uv

NUMBERS = ("physical_min", "physical_max", "digital_min", "digital_max")
_NUMBER = re.compile(r"[+-]?[\d.,]+(?:[eE][+-]?\d+)?", re.ASCII)
_CLOCK = re.compile(r"\d{1,2}[.:]\d{1,2}[.:]\d{1,2}", re.ASCII)
_FILTER = re.compile(
    r"(?:(?:(?:HP|LP|N|NOTCH|BP|TC)\s*+:?\s*+(?:\d{1,4}(?:[.,]\d{1,4})?\s*+(?:k?Hz|m?s|sec)?|DC|none|off|on)?"
    r"|DC|AC|none|n/a)(?![^\W\d_])[\s;,/-]*+)*+",
    re.IGNORECASE | re.ASCII,
)
"""Filters as EDF+ writes them, 'HP:0.1Hz LP:75Hz N:50Hz', and usual variants."""
_TRANSDUCER = re.compile(
    r"(?:(?:Ag[-/ ]?AgCl|silver|chloride|gold|tin|platinum|steel|active|passive|dry|wet|cup|disc|disk|needle|bridge|"
    r"scalp|depth|subdural|cap|EEG|ECG|EOG|EMG|electrodes?|thermistor|oximeter|unknown|none|n/a)[\s,;:.?-]*+)*+|\\?",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"(?:[munpkMµμ\xb5]?(?:V|A|Ohm|Hz|s|g|l|L|m|W|T|bar|Pa|lux|lx|dB)|microV|sec|min|h|%|°?C|deg ?C?|F|G|bpm|rpm|"
    r"brpm|mmHg|cmH2O|(?:L|ml|brst|b|br|1|beats)?/(?:s|min)|[?]V|rad|bool|boolean|n/a|none|count|a\.?u\.?|\W*)",
    re.IGNORECASE,
)
"""Units of what polygraphs record."""
_CHANNEL = "Channel {}"


@dataclass
class HeaderPlan:
    """What stays in a header; it remembers what does not.

    Attributes
    ----------
    file
        The original.
    identifiers
        What must not stay.
    removals
        What was replaced so far.
    kept_labels
        Labels that are not known electrodes, and stay.
    """

    file: EdfFile
    identifiers: Identifiers
    removals: list[Removal] = field(default_factory=list)
    kept_labels: list[str] = field(default_factory=list)

    def build(self, code: str, day: date | None) -> bytes:
        """Return the new header.

        Parameters
        ----------
        code
            The new code of the patient.
        day
            The shifted date of the start; None if the date is removed or unknown.

        Raises
        ------
        ReadError
            If a signal may contain annotations, but is not named so.
        """
        n_signals = len(self.file.signals)
        with self.file.path.open("rb") as opened:
            old = opened.read(MAIN_BYTES + SIGNAL_BYTES * n_signals)
        columns, position = {}, MAIN_BYTES
        for name, width in FIELDS.items():
            columns[name] = [old[position + i * width : position + (i + 1) * width] for i in range(n_signals)]
            position += width * n_signals
        reserved = self.file.plus or ("24BIT" if self.file.is_bdf else "")
        if (rest := shown(old[192:236])) not in (reserved, ""):
            self._replace("reserved", rest, reserved, "free text")
        main = (
            old[:8] if self.file.is_bdf else b"0".ljust(8),
            self._main("patient", old[8:88], f"{code} X X X", 80),
            self._main("recording", old[88:168], f"Startdate {date_text(day)} X X X", 80),
            self._main("start date", old[168:176], f"{day or FIRST_DAY:%d.%m.%y}", 8),
            self._clock(old[176:184]),
            header_field(str(MAIN_BYTES + SIGNAL_BYTES * n_signals), 8),
            header_field(reserved, 44),
            header_field(str(self.file.n_records), 8),
            self._record_duration(old[244:252]),
            header_field(str(n_signals), 4),
        )
        labels = self._labels(columns.pop("label"))
        rows = (self._column(name, FIELDS[name], cells, labels) for name, cells in columns.items())
        return b"".join((*main, *(_padded(label, FIELDS["label"]) for label in labels), *rows))

    def _main(self, place: str, old: bytes, new: str, width: int) -> bytes:
        if shown(old) != new:
            why = "shifted" if place == "start date" and new != f"{FIRST_DAY:%d.%m.%y}" else "always replaced"
            self._replace(place, shown(old), new, why)
        return header_field(new, width)

    def _clock(self, old: bytes) -> bytes:
        text = shown(old)
        if _CLOCK.fullmatch(text):
            return header_field(text, 8)
        self._replace("start time", text, "00.00.00", "not a time of day")
        return header_field("00.00.00", 8)

    def _record_duration(self, old: bytes) -> bytes:
        text = shown(old).replace(",", ".")
        if self.file.record_s > 0 and not _NUMBER.fullmatch(text):  # digits of another script
            text = f"{self.file.record_s:.6g}"
        return header_field(text if self.file.record_s > 0 else "0", 8)

    def _labels(self, cells: Sequence[bytes]) -> list[bytes]:
        """Return the labels; a reference that is a name becomes REF, and any other name a number."""
        cells = [self._cut(f"label {number}", cell) for number, cell in enumerate(cells, 1)]
        texts, new = [shown(cell) for cell in cells], []
        taken = {*texts}
        for number, (cell, text, label) in enumerate(zip(cells, texts, read_labels(texts), strict=True), 1):
            is_annotation = self.file.signals[number - 1].is_annotation
            if not is_annotation and "annotation" in text.lower():
                raise ReadError(
                    f"{self.file.path}: signal {number} is named '{text}', which is nearly, but not the name of a "
                    "signal with annotations; text in it would not be found"
                )
            # A name such as 'Fp' or 'Po' does not make an electrode personal.
            is_known = is_annotation or find_electrode(text) or find_pair(text)
            if is_known or not (why := self.identifiers.find(cell)):
                new.append(cell)
                self.kept_labels += [] if is_known or not text or (label and is_reference(label.against)) else [text]
                continue
            (electrode,) = read_labels([text.partition("-")[0]])
            name = f"EEG {electrode.electrode}-REF" if electrode else _CHANNEL.format(number)
            if name in taken:
                name = _CHANNEL.format(number)
            taken.add(name)
            new.append(name.encode())
            self._replace(f"label {number}", text, name, why)
        return new

    def _column(self, name: str, width: int, cells: Sequence[bytes], labels: Sequence[bytes]) -> bytes:
        if name == "n_samples":
            return b"".join(header_field(str(signal.n_samples), width) for signal in self.file.signals)
        what, new = name.replace("_", " "), []
        removed: dict[tuple[str, str], list[str]] = {}
        for old, label in zip(cells, labels, strict=True):
            cell = self._cut(f"{what} of {shown(label)}", old)
            stays, why = self._stays(name, cell)
            if cell and not stays:
                removed.setdefault((shown(cell), why), []).append(shown(label))
            new.append(_padded(cell if stays else b"", width))
        for (text, why), of in removed.items():
            self._replace(f"{what} of {listed(of)}", text, "", why)
        return b"".join(new)

    def _cut(self, place: str, cell: bytes) -> bytes:
        """Return the bytes of a field up to the first zero, which ends a text in some programs."""
        text, _, rest = cell.strip(b" \0").partition(b"\0")
        if rest:
            self._replace(place, shown(rest), "", "after the end of the text")
        return text.strip()

    def _stays(self, name: str, cell: bytes) -> tuple[bool, str]:
        text = shown(cell)
        if name in NUMBERS:
            return _NUMBER.fullmatch(text) is not None, "not a number"
        if name == "dimension" and unit_uv(text) is not None:
            return True, ""
        if why := self.identifiers.find(cell):
            return False, why
        forms = {"transducer": _TRANSDUCER, "prefilter": _FILTER, "dimension": _UNIT}
        return name in forms and forms[name].fullmatch(text) is not None, "free text"

    def _replace(self, place: str, old: str, new: str, why: str) -> None:
        self.removals.append(Removal(place, old, new, why))


def _padded(text: bytes, width: int) -> bytes:
    return text[:width].ljust(width)
