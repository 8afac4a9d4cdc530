"""Recordings in which identifiers are planted at random, and a search for them that shares nothing with ictal's."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np

INNOCENT = (
    *("Eyes open", "Eyes closed", "Seizure", "Photic 10 Hz", "A1+A2 OFF", "Impedance 12:30:01", "HV 3 min"),
    *(
        "Segment: REC START LTM+6 EEG",
        "high amp RDA F4, C4",
        "+0.000000",
        "T0",
        "EEG-check#1",
        "sz 1/2",
        "5 mg midazolam",
    ),
    *("20 30 40 50 Hz", "1.5-2.5 Hz delta", "suction", "Gain 100.00000", "100 ms burst", "SpO2 98 %", "start / stop"),
)
ACCENTS = {"a": "aàáâä", "e": "eéèë", "o": "oóôö", "u": "uúü", "n": "nñ", "c": "cç", "z": "zž", "l": "ll", "s": "sš"}
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905
WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)


@dataclass
class Person:
    """Whom a recording must not name."""

    first: str
    last: str
    code: str
    born: date
    technician: str

    @property
    def plain(self) -> Iterator[str]:
        """Yield what to search for, in small letters without accents and blanks."""
        yield from (bare(self.first), bare(self.last), bare(self.code), bare(self.technician))

    @property
    def digits(self) -> str:
        return re.sub(r"\D", "", self.code)


@dataclass
class Planted:
    """A file, the person, each text that was planted, and the annotations that must stay."""

    path: Path
    person: Person
    texts: list[bytes] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def bare(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.replace("ß", "ss")).lower()
    return "".join(one for one in letters if one.isalnum() and not unicodedata.combining(one))


def person(rng: np.random.Generator) -> Person:
    def name(least: int) -> str:
        plain = "".join(
            rng.choice(list("bdfgkmnprstvwz")) + rng.choice(list("aeiou")) for _ in range(int(rng.integers(least, 6)))
        )
        spelled = "".join(
            str(rng.choice(list(ACCENTS.get(one, one)))) if rng.random() < 0.2 else one for one in plain
        )
        return spelled.capitalize()

    digits = "".join(map(str, rng.integers(0, 10, int(rng.integers(5, 10)))))
    code = str(rng.choice(["", "MRN-", "P", "H_"])) + digits
    born = date(1920, 1, 1) + timedelta(days=int(rng.integers(0, 36000)))
    return Person(name(1), name(3), code, born, name(3))


def a_date(day: date, rng: np.random.Generator) -> str:
    month = MONTHS[day.month - 1]
    forms = (
        *(
            f"{day:%d-%m-%Y}",
            f"{day:%Y-%m-%d}",
            f"{day:%d.%m.%y}",
            f"{day.month}/{day.day}/{day.year}",
            f"{day:%Y%m%d}",
        ),
        *(f"{day:%d}-{month.upper()}-{day.year}", f"{month} {day.day}, {day.year}", f"{day.day} {month} {day:%y}"),
        *(f"{day:%d_%m_%Y}", f"{day:%Y/%m/%d}", f"{day:%d %m %Y}", f"{day.day}. {month.lower()} {day.year}"),
    )
    return str(rng.choice(forms))


def spelling(who: Person, rng: np.random.Generator) -> str:
    """Return an identifier as a person or a machine might write it."""
    first, last = who.first, who.last
    name = str(
        rng.choice(
            [
                *(
                    f"{first} {last}",
                    f"{last}, {first}",
                    f"{last}^{first}",
                    f"{first}_{last}",
                    f"{last}{first}",
                    last,
                ),
                *(f"{first[0]}. {last}", f"{last}'s", f"{first}-{last}", f"{last}/{first}", first, who.technician),
            ]
        )
    )
    name = str(rng.choice([name, name.upper(), name.lower(), strip(name), strip(name).upper()]))
    digits = who.digits
    number = str(
        rng.choice(
            [
                who.code,
                who.code.lower(),
                digits,
                f"{digits[:3]}-{digits[3:]}",
                f"{digits[:2]} {digits[2:]}",
                f"#{digits}",
            ]
        )
    )
    kind = rng.random()
    return name if kind < 0.6 else number if kind < 0.8 else a_date(who.born, rng)


def strip(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))


def encoded(text: str, rng: np.random.Generator) -> bytes:
    """Return bytes as different programs store a text; what Latin-1 lacks is stored as UTF-8."""
    if rng.random() < 0.4:
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            pass
    return text.encode()


def plant(folder: Path, rng: np.random.Generator) -> Planted:
    """Write a file of a few records in which identifiers are planted in every place that holds text."""
    who = person(rng)
    is_bdf, plus = bool(rng.integers(2)), str(rng.choice(["", "+C", "+D"]))
    width, n_notes = (3 if is_bdf else 2), int(rng.integers(1, 3))
    n_records, tal_bytes, per_record = int(rng.integers(2, 5)), 240, 8
    found = Planted(folder / "unnamed", who)

    def text() -> bytes:
        content = encoded(
            str(rng.choice(["", "seen by ", "pt "])) + spelling(who, rng) + str(rng.choice(["", " here"])), rng
        )
        found.texts.append(content)
        return content

    def maybe(size: int, otherwise: bytes = b"") -> bytes:
        return (text()[:size] if rng.random() < 0.5 else otherwise).ljust(size)

    labels = [b"EEG Fp1-REF", b"EEG F3-REF", b"SaO2"]
    kind = "BDF" if is_bdf else "EDF"
    n_signals = len(labels) + n_notes
    extra = text() if rng.random() < 0.3 else b""
    header_bytes = 256 * (n_signals + 1) + len(extra)
    birth = f"{who.born.day:02}-{MONTHS[who.born.month - 1].upper()}-{who.born.year}"
    patient = (
        f"{who.code} F {birth} {who.last}^{who.first}"
        if rng.random() < 0.7
        else f"{who.last}, {who.first} {who.code}"
    )
    day = date(2001, 1, 1) + timedelta(days=int(rng.integers(2000, 8000)))
    recording = f"Startdate {day.day:02}-{MONTHS[day.month - 1].upper()}-{day.year} X {who.technician} X"
    main = (
        (b"\xffBIOSEMI" if is_bdf else b"0".ljust(8))
        + encoded(patient, rng)[:80].ljust(80)
        + recording.encode()[:80].ljust(80)
        + f"{day:%d.%m.%y}12.30.01{header_bytes:<8}".encode()
        + (f"{kind}{plus}".encode() if plus else b"").ljust(5)
        + maybe(39)
        + f"{n_records:<8}1       {n_signals:<4}".encode()
    )
    note_labels = [f"{kind} Annotations".encode()] * n_notes
    shown = [maybe(16, label) if number == 2 else label for number, label in enumerate(labels)]
    columns = (
        [*shown, *note_labels],
        [maybe(80, b"AgAgCl electrode") for _ in range(n_signals)],
        [b"uV", b"uV", maybe(8, b"%"), *[b""] * n_notes],
        [b"-7"] * n_signals, [b"7"] * n_signals,
        [b"-9999"] * n_signals, [b"9999"] * n_signals,
        [maybe(80, b"HP:0.1Hz LP:75Hz N:50Hz") for _ in range(n_signals)],
        [str(per_record).encode()] * len(labels) + [str(tal_bytes // width).encode()] * n_notes,
        [maybe(32) for _ in range(n_signals)],
    )  # fmt: skip
    header = main + b"".join(
        cell[:size].ljust(size) for column, size in zip(columns, WIDTHS, strict=True) for cell in column
    )
    records = []
    for record in range(n_records):
        # Bytes 0x80 to 0x9f are control characters in Latin-1, so that no sample looks like text.
        records.append(rng.integers(0x80, 0xA0, len(labels) * per_record * width).astype(np.uint8).tobytes())
        for number in range(n_notes):
            block = f"+{record}\x14\x14\0".encode() if number == 0 else b""
            for _ in range(int(rng.integers(0, 3))):
                onset = f"+{record}.{int(rng.integers(1, 10))}"
                duration = str(rng.choice(["", "\x150.5"]))
                if rng.random() < 0.4:
                    innocent = str(rng.choice(INNOCENT))
                    found.kept.append(innocent)
                    piece = innocent.encode()
                else:
                    piece = text()
                if rng.random() < 0.2:  # two texts at one time
                    piece += b"\x14" + text()
                block += f"{onset}{duration}\x14".encode() + piece + b"\x14\0"
            if rng.random() < 0.3:
                block += b"\0\0" + text()
            if rng.random() < 0.1:
                hidden = spelling(who, rng).encode("utf-16-le")
                found.texts.append(hidden)
                block += hidden
            assert len(block) <= tal_bytes
            records.append(block.ljust(tal_bytes, b"\0"))
    tail = text() if rng.random() < 0.3 and not extra else b""  # both make it unclear where the samples begin
    name = str(rng.choice([f"{strip(who.last)}_{strip(who.first)}", f"{who.digits}", "night"]))
    found.path = folder / f"{name}.{kind.lower()}"
    found.path.write_bytes(header + extra + b"".join(records) + tail)
    return found


def left(planted: Planted, out: Path) -> list[str]:
    """Return what is still to be found in the bytes or the path of a file."""
    data = out.read_bytes() + b" " + out.name.encode()
    built = r"[A-Z\d]{6} X X X {68}Startdate (\d\d-[A-Z]{3}-\d{4}|X) X X X *\d\d\.\d\d\.\d\d\d\d\.\d\d\.\d\d"
    if re.fullmatch(built, data[8:184].decode("latin-1")):  # dates next to each other may look like another one
        data = data[:8] + data[184:]
    found = [repr(text) for text in planted.texts if len(text) > 4 and text in data]
    texts = [data.decode(encoding, "ignore") for encoding in ("latin-1", "utf-8", "utf-16-le", "utf-16-be")]
    texts.append(data[1:].decode("utf-16-le", "ignore"))
    for text in texts:
        squeezed, words = bare(text), {bare(word) for word in re.findall(r"[^\W\d_]+", text)}
        wanted = [*planted.person.plain, planted.person.digits]
        found += [one for one in wanted if (one in squeezed if len(one) > 4 else one in words)]
        born = planted.person.born
        dates = (
            f"{born:%d%m%Y}",
            f"{born:%Y%m%d}",
            f"{born:%d%m%y}",
            f"{born.day}{MONTHS[born.month - 1].lower()}{born.year}",
        )
        found += [one for one in dates if one in squeezed]
    return found
