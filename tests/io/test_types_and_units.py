"""Types and units: what a file states counts, and not what a reader guesses."""

import struct
from pathlib import Path

import mne
import numpy as np
import pytest

from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.errors import ElectrodeError, ReadError
from ictal.io import open_recording
from ictal.io.mne_formats.reader import from_raw
from ictal.preprocessing.channel_mapping import map_channels
from ictal.scoring.recording_info import describe
from tests.helpers import noise
from tests.io.devices.nihon_files import Nihon, write

RATE_HZ = 200
N_SAMPLES = 400
# Float32 in volts and back.
ROUNDING = 400 * 2**-22


def brainvision(
    path: Path, units: list[str], names: tuple[str, ...] = CHANNELS, coordinates: str = "", encoding: str = "utf-8"
) -> Path:
    """Write the same numbers for each channel, in the unit that is stated for it."""
    samples = noise(N_SAMPLES)[: len(names)]
    channels = "".join(
        f"Ch{number}={name},,1,{unit}\n"
        for number, (name, unit) in enumerate(zip(names, units, strict=True), start=1)
    )
    codepage = "UTF-8" if encoding == "utf-8" else "ANSI"
    path.write_text(
        f"BrainVision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage={codepage}\n"
        f"DataFile={path.stem}.eeg\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels={len(names)}\nSamplingInterval={1e6 / RATE_HZ}\n[Binary Infos]\n"
        f"BinaryFormat=IEEE_FLOAT_32\n[Channel Infos]\n{channels}{coordinates}",
        encoding=encoding,
    )
    path.with_suffix(".eeg").write_bytes(samples.T.astype("<f4").tobytes())
    return path


@pytest.mark.parametrize(
    ("unit", "uv"), [("\u00b5V", 1), ("\u03bcV", 1), ("uV", 1), ("uv", 1), ("mV", 1e3), ("nV", 1e-3), ("", 1)]
)
def test_both_letters_for_micro_and_every_unit_of_voltage_are_read_in_brainvision(tmp_path, unit, uv):
    made = open_recording(brainvision(tmp_path / "a.vhdr", [unit] * len(CHANNELS)))
    assert map_channels(made).known == ELECTRODES
    np.testing.assert_allclose(made.read(), noise(N_SAMPLES) * uv, rtol=1e-6, atol=ROUNDING * uv)
    np.testing.assert_array_equal(made.read(10, 20, [3, 1]), made.read()[[3, 1], 10:20])


def test_units_may_differ_from_channel_to_channel_and_what_is_no_voltage_is_no_electrode(tmp_path):
    units = ["\u00b5V", "\u03bcV", "mV", *["\u03bcV"] * 16, "\u00b0C"]
    made = open_recording(brainvision(tmp_path / "a.vhdr", units))
    factors = np.array([1, 1, 1e3, *[1] * 16])[:, None]
    np.testing.assert_allclose(made.read()[:19], noise(N_SAMPLES)[:19] * factors, rtol=1e-6, atol=ROUNDING)
    assert made.kinds[-1] == "misc"


@pytest.mark.parametrize("unit", ["S", "furlong"])
def test_an_electrode_of_an_unknown_unit_is_an_error_that_names_it(tmp_path, unit):
    path = brainvision(tmp_path / "a.vhdr", ["uV"] * 8 + [unit] + ["uV"] * 11)
    with pytest.raises(ReadError, match=r"a\.vhdr: the voltages of Fz are unknown.*allowed are (µ|u)V, mV, V"):
        open_recording(path)


def test_an_electrode_without_coordinates_is_an_electrode(tmp_path):
    places = "".join(f"Ch{number}={int(number != 9)},{10 * number},{5 * number}\n" for number in range(1, 21))
    path = brainvision(
        tmp_path / "a.vhdr", ["uV"] * 20, coordinates=f"[Coordinates]\n{places}".replace("=0,90,45", "=0,0,0")
    )
    assert map_channels(open_recording(path)).known == ELECTRODES


def test_the_midline_of_nihon_kohden_is_read(tmp_path):
    names = tuple(name.upper() for name in ELECTRODES)
    digital = np.rint(noise(N_SAMPLES) / (6400 / 2**16))
    made = Nihon(range(20), [(0, digital)], dict(enumerate((*names, "WXY1"))), None, RATE_HZ)
    made = open_recording(write(tmp_path / "a.EEG", made))
    assert map_channels(made).known == ELECTRODES
    assert describe(made).missing == ()
    np.testing.assert_allclose(made.read()[:19], noise(N_SAMPLES)[:19], rtol=0, atol=6400 / 2**16)


@pytest.mark.parametrize(
    ("version", "unit"), [("1.25", "\u00b5V"), ("1.25", "mV"), ("1.25", "uV"), ("2.20", "nV"), ("2.20", "uV")]
)
def test_units_of_gdf_are_those_that_it_states(tmp_path, version, unit):
    uv = {"nV": 1e-3, "mV": 1e3}.get(unit, 1.0)
    path = gdf(tmp_path / "a.gdf", version, unit, noise(N_SAMPLES))
    made = open_recording(path)
    np.testing.assert_allclose(made.read(), noise(N_SAMPLES) * uv, rtol=1e-5, atol=uv * 2000 / 2**15)


def gdf(path: Path, version: str, unit: str, samples: np.ndarray) -> Path:
    """Write GDF 1.25 or 2.20: one record per second of int16, physical values from -1000 to 1000."""
    n_channels, n_records = len(samples), samples.shape[1] // RATE_HZ
    first = version < "1.9"

    def each(form: str, value: object) -> bytes:
        return struct.pack(f"<{form}", value) * n_channels

    head = bytearray(256)
    head[0:8] = f"GDF {version}".encode()
    if first:
        head[168:184] = b"2020010203040500"
        struct.pack_into("<q", head, 184, 256 * (n_channels + 1))
    else:
        struct.pack_into("<Q", head, 168, int((737_792 + 0.1) * 2**32))
        struct.pack_into("<H", head, 184, n_channels + 1)
    struct.pack_into("<qIIH", head, 236, n_records, 1, 1, n_channels)
    labels = b"".join(name.encode().ljust(16) for name in CHANNELS[:n_channels]) + each("80s", b"")
    dimension = (
        each("8s", unit.encode("latin-1")) if first else each("6s", b"") + each("H", {"uV": 4275, "nV": 4276}[unit])
    )
    number = "q" if first else "d"
    ranges = each("d", -1000.0) + each("d", 1000.0) + each(number, -32768) + each(number, 32767)
    filters = each("80s", b"") if first else each("68s", b"") + 3 * each("f", 0.0)
    form = each("I", RATE_HZ) + each("I", 3)
    rest = each("32s", b"") if first else each("12s", b"") + each("20s", b"")
    digital = np.rint((samples + 1000) / 2000 * 65535 - 32768).astype("<i2")
    body = digital.reshape(n_channels, n_records, RATE_HZ).swapaxes(0, 1).tobytes()
    no_events = bytes([1, RATE_HZ, 0, 0, 0, 0, 0, 0])
    path.write_bytes(bytes(head) + labels + dimension + ranges + filters + form + rest + body + no_events)
    return path


def test_what_a_file_plainly_states_counts_and_the_error_says_so():
    kinds = ["misc" if name == "Fz" else "eog" if name == "Fp1" else "eeg" for name in ELECTRODES]
    raw = mne.io.RawArray(
        noise(N_SAMPLES)[:19] * 1e-6, mne.create_info(list(ELECTRODES), RATE_HZ, kinds), verbose="ERROR"
    )
    with pytest.raises(
        ElectrodeError, match=r"no channel for Fp1, Fz;.*Fp1 \(its file calls it 'eog'\), Fz \(its file"
    ):
        map_channels(from_raw(raw))
