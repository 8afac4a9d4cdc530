"""Electrodes that were recorded against different references."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.montage import (
    CHAINS,
    CHANNELS,
    ELECTRODES,
    MONTAGES,
    TRANSVERSE,
    Derivation,
    derivations_of,
    montage_matrix,
)
from ictal.core.recording import Recording
from ictal.errors import ElectrodeError
from ictal.io import open_recording
from ictal.io.convert import write_recording
from ictal.preprocessing.channel_mapping import map_channels, reference_notes, widest_mapping
from ictal.preprocessing.standardise import resample
from ictal.scoring.quality import QualitySettings, amplitude_integrated, measure_quality
from ictal.scoring.recording_info import describe
from ictal.web.montages import AVERAGE, RECORDED, REFERENTIAL, montages_of
from tests.helpers import noise

RATE_HZ = 200
BANANA = derivations_of(MONTAGES["double_banana"])
SIDES = derivations_of(CHAINS)
PAIRS = tuple(Derivation(*pair) for pair in combinations(ELECTRODES, 2))
REFERENCES = ("A1", "A2", "REF", "LE", "AVG", "M1", "")
IPSILATERAL = {name: "A1" if name[-1] in "13579" else "A2" for name in ELECTRODES} | {"Cz": "A1"}
"""As many laboratories record, with the midline's electrodes against either ear."""
WAVE_UV = 5000.0
# A wave of 5000 µV and potentials of less than 1000 are held in float32, and at most four of them are added.
ROUNDING = 4 * 6000 * 2**-23


def head(n_samples: int = 200) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the potentials of the electrodes, and of the references: each has a large wave of its own frequency."""
    time = np.arange(n_samples) / RATE_HZ
    waves = {name: WAVE_UV * np.sin(2 * np.pi * (3 + rank) * time + rank) for rank, name in enumerate(REFERENCES)}
    return dict(zip(CHANNELS, noise(n_samples).astype(float), strict=True)), waves


def recorded(references: Mapping[str, str], joints: tuple[str, ...] = (), n_samples: int = 200) -> Recording:
    """Return a recording of electrodes against these references, and of references against each other."""
    potentials, waves = head(n_samples)
    labels = [f"EEG {name}-{reference}" if reference else f"EEG {name}" for name, reference in references.items()]
    rows = [potentials[name] - waves[reference] for name, reference in references.items()]
    rows += [waves[anode] - waves[cathode] for anode, cathode in (name.split("-") for name in joints)]
    return Recording.from_array(np.array(rows), (*labels, *joints), RATE_HZ, "a.edf")


def voltage(pair: Derivation, n_samples: int = 200) -> np.ndarray:
    potentials, _ = head(n_samples)
    return potentials[pair.anode] - potentials[pair.cathode]


assignments = st.fixed_dictionaries({name: st.sampled_from(REFERENCES) for name in ELECTRODES})


@given(assignments)
def test_a_derivation_is_formed_within_one_reference_and_is_free_of_it(references):
    recording = recorded(references)
    mapping = widest_mapping(recording)
    assert mapping is not None
    electrodes = mapping.apply(recording.read(rows=mapping.rows))
    for pair in PAIRS:
        assert mapping.forms(pair) == (references[pair.anode] == references[pair.cathode])
        if mapping.forms(pair):
            formed = montage_matrix((pair,)) @ electrodes
            np.testing.assert_allclose(formed[0], voltage(pair), rtol=0, atol=ROUNDING)
    assert bool(reference_notes(mapping)) == (len({*references.values()}) > 1)


@given(assignments, st.lists(st.sampled_from(BANANA), min_size=1, unique=True))
def test_a_model_gets_its_derivations_or_the_error_names_those_that_are_lost(references, derivations):
    recording = recorded(references)
    lost = [pair for pair in derivations if references[pair.anode] != references[pair.cathode]]
    if lost:
        with pytest.raises(
            ElectrodeError, match=rf"a\.edf: .*different references.*{lost[0]}.*needed is one reference"
        ):
            map_channels(recording, derivations)
        return
    mapping = map_channels(recording, derivations)
    formed = montage_matrix(tuple(derivations)) @ mapping.apply(recording.read(rows=mapping.rows))
    np.testing.assert_allclose(formed, [voltage(pair) for pair in derivations], rtol=0, atol=ROUNDING)


@given(assignments)
def test_every_trace_of_the_viewer_is_free_of_references_or_names_its_own(references):
    recording = recorded(references)
    potentials, waves = head()
    for name, montage in montages_of(recording).items():
        traces = montage.apply(recording.read(rows=montage.channels))
        for label, trace in zip(montage.names, traces, strict=True):
            if name == AVERAGE:
                assert len({*references.values()}) == 1
                truth = potentials[label] - np.mean([potentials[each] for each in ELECTRODES], axis=0)
            elif name in (REFERENTIAL, RECORDED):
                electrode, _, reference = label.removeprefix("EEG ").partition("-")
                assert name == RECORDED or reference in ("", references[electrode])
                truth = potentials[electrode] - waves[references[electrode]]
            else:
                truth = voltage(Derivation(*label.split("-")))
            np.testing.assert_allclose(trace, truth, rtol=0, atol=19 * ROUNDING)


def test_the_ears_of_either_side_leave_the_chains_of_each_side():
    recording = recorded(IPSILATERAL)
    assert map_channels(recording, SIDES).known == ELECTRODES
    with pytest.raises(ElectrodeError, match=r"so Fz-Cz, Cz-Pz, which the model needs, cannot be formed"):
        map_channels(recording, BANANA)
    with pytest.raises(ElectrodeError, match=r"\(A1: Fp1, F3.*; A2: Fz, Pz.*\), so not all derivations can be"):
        map_channels(recording)
    info = describe(recording)
    assert (info.kind, info.electrodes, info.missing) == ("referential", ELECTRODES, ())
    assert [formed for formed, _ in info.views.values()] == [8, 16, 16]
    assert "the derivations Fz-Cz, Cz-Pz cannot be formed" in " ".join(info.notes)
    montages = montages_of(recording)
    assert AVERAGE not in montages
    assert {"Fp1-Fp2", "F3-Fz", "C3-Cz"} & {*montages["transverse"].names} == {"C3-Cz"}
    assert {"Fp1-A1", "Fp2-A2"} <= {*montages[REFERENTIAL].names}


@pytest.mark.parametrize("joints", [("A1-A2",), ("A2-A1",), ("A1-REF", "A2-REF"), ("A1-REF", "REF-A2", "A2-REF")])
def test_a_channel_between_the_references_joins_their_electrodes(joints):
    recording = recorded(IPSILATERAL, joints)
    for mapping in (map_channels(recording), map_channels(recording, BANANA), widest_mapping(recording)):
        assert mapping is not None
        assert (mapping.kind, mapping.groups, mapping.mixed) == ("referential", (frozenset(ELECTRODES),), False)
        electrodes = mapping.apply(recording.read(rows=mapping.rows))
        for pair in (*BANANA, *derivations_of(TRANSVERSE)):
            formed = montage_matrix((pair,)) @ electrodes
            np.testing.assert_allclose(formed[0], voltage(pair), rtol=0, atol=ROUNDING)
    # While the ears are not connected, no voltage is to be trusted.
    joint = recording.channels.index(joints[0])
    marks = np.array([[row == joint] for row in map_channels(recording).rows])
    assert map_channels(recording).spread(marks)[: len(ELECTRODES)].all()
    assert map_channels(recording, SIDES).rows == tuple(
        range(len(ELECTRODES))
    )  # where they are not needed, they are not read
    assert AVERAGE in montages_of(recording)
    assert describe(recording).notes == ()


def test_ears_without_a_reference_of_their_own_join_nothing():
    """'A1' and 'A2' may as well be channels of nothing: an ear against itself."""
    recording = recorded(IPSILATERAL)
    silent = Recording.from_array(
        np.vstack([recording.read(), np.zeros((2, 200))]), (*recording.channels, "A1", "A2"), RATE_HZ
    )
    with pytest.raises(ElectrodeError, match="Fz-Cz"):
        map_channels(silent, BANANA)


def test_what_is_made_up_is_made_of_one_reference():
    potentials, _ = head()
    references = {name: reference for name, reference in IPSILATERAL.items() if name not in ("T3", "C4")}
    recording = recorded(references)
    with pytest.raises(ElectrodeError, match="no channel for T3, C4"):
        map_channels(recording, SIDES, interpolate=1)
    mapping = map_channels(recording, SIDES, interpolate=2)
    assert mapping.interpolated == ("T3", "C4")
    electrodes = mapping.apply(recording.read(rows=mapping.rows))
    for name, neighbour in (("T3", "F7"), ("C4", "F4")):
        own = electrodes[CHANNELS.index(name)] - electrodes[CHANNELS.index(neighbour)]
        assert abs(own).max() < 10 * max(abs(row).max() for row in potentials.values()) < WAVE_UV
    for pair in SIDES:
        if not {*pair} & {"T3", "C4"}:
            formed = montage_matrix((pair,)) @ electrodes
            np.testing.assert_allclose(formed[0], voltage(pair), rtol=0, atol=ROUNDING)


def test_an_electrode_may_be_made_anew_where_its_reference_stands_alone():
    potentials, _ = head()
    recording = recorded(IPSILATERAL)
    mapping = map_channels(recording, BANANA, interpolate=1)
    assert mapping.interpolated == ("Cz",)
    electrodes = mapping.apply(recording.read(rows=mapping.rows))
    for pair in BANANA:
        assert mapping.forms(pair)
        formed = montage_matrix((pair,))[0] @ electrodes
        if "Cz" in pair:
            assert abs(formed).max() < 10 * max(abs(row).max() for row in potentials.values()) < WAVE_UV
        else:
            np.testing.assert_allclose(formed, voltage(pair), rtol=0, atol=ROUNDING)
    with pytest.raises(ElectrodeError, match="F7-T3"):
        map_channels(recorded(IPSILATERAL | {"T3": "A2", "C4": "A1"}), BANANA, interpolate=2)
    assert map_channels(recorded(IPSILATERAL | {"T3": "A2", "C4": "A1"}), BANANA, interpolate=3).interpolated == (
        *("T3", "Cz", "C4"),
    )


@given(assignments, st.integers(0, 8))
def test_what_is_made_up_never_mixes_references(references, interpolate):
    recording = recorded(references)
    try:
        mapping = map_channels(recording, BANANA, interpolate=interpolate)
    except ElectrodeError:
        return
    assert len(mapping.interpolated) <= interpolate
    for pair in BANANA:
        weights = montage_matrix((pair,))[0] @ mapping.matrix
        for reference in REFERENCES:
            own = [label.removeprefix("EEG ").partition("-")[2] == reference for label in recording.channels]
            # What a derivation takes of each reference sums to nothing.
            assert abs(weights[[own[row] for row in mapping.rows]].sum()) < 1e-5


def test_quality_and_amplitude_know_the_references():
    crossed = IPSILATERAL | {"P3": "A2"}
    loud = recorded(crossed, n_samples=4000)
    recording = Recording.from_array(loud.read() / 10, loud.channels, RATE_HZ)
    mapping = map_channels(recording, [pair for pair in SIDES if "P3" not in pair])
    piece = resample(recording, "linear", mapping)
    envelopes = amplitude_integrated(piece.signal, mapping)
    assert np.isnan(envelopes["left"]).all()
    # The ears' waves have 1000 µV from peak to peak, the noise an rms of 6 µV per electrode.
    assert envelopes["right"][1000:].max() < 50
    spectrum = measure_quality(piece, mapping, QualitySettings()).spectrum(0)
    assert spectrum.shape == (2, 40)
    assert spectrum.max() < 10 * np.log10(10 * 2 * 2 * 6**2 / RATE_HZ)  # ten times that of two electrodes' noise


def test_mains_of_one_ear_are_no_flaw_of_an_electrode():
    samples = recorded(dict.fromkeys(ELECTRODES, "REF"), n_samples=4000).read() / 10
    hum = 300 * np.sin(2 * np.pi * 50 * np.arange(4000) / RATE_HZ)
    samples[[IPSILATERAL[name] == "A1" for name in ELECTRODES]] -= hum.astype(np.float32)
    names = tuple(f"{name}-{IPSILATERAL[name]}" for name in ELECTRODES)
    recording = Recording.from_array(samples, names, RATE_HZ)
    mapping = map_channels(recording, SIDES)
    frames = measure_quality(resample(recording, "linear", mapping), mapping, QualitySettings())
    assert not frames.flaws[[3, 4]].any()


# References that stand apart from the names


def _apart(references: dict[str, str]) -> Recording:
    """Return potentials against the reference of each electrode, of which the names say nothing."""
    rng = np.random.default_rng(3)
    points = {name: rng.normal(0, 40, 2000) for name in sorted({*ELECTRODES, *references.values()})}
    samples = np.stack([points[name] - points[references[name]] for name in ELECTRODES])
    made = Recording.from_array(samples, ELECTRODES, 200.0)
    return replace(made, references=tuple(references[name] for name in ELECTRODES))


def test_references_apart_from_the_names_count_where_they_differ():
    ears = {name: "A1" if name[-1] in "13579" else "A2" for name in ELECTRODES}
    found = map_channels(_apart(ears), BANANA)
    assert (found.references, found.mixed) == (("A1", "A2"), True)
    with pytest.raises(ElectrodeError, match="different references"):
        map_channels(_apart(ears))
    odd = {name: "left mastoid" if name[-1] in "13579" else "" for name in ELECTRODES}
    assert widest_mapping(_apart(odd)).references == ("LEFTMASTOID", "")
    for text in ("FCz", "common", ""):
        assert not map_channels(_apart(dict.fromkeys(ELECTRODES, text))).mixed


def test_an_electrode_that_is_the_reference_of_others_joins_them():
    against = {name: "" if name in ("Cz", "Pz", "O2") else "Cz" for name in ELECTRODES}
    recording = _apart(against)
    found = map_channels(recording)
    made = found.apply(recording.read(rows=found.rows))
    fp1, pz, cz = (made[ELECTRODES.index(name)] for name in ("Fp1", "Pz", "Cz"))
    channels = recording.read()
    np.testing.assert_allclose(fp1 - cz, channels[ELECTRODES.index("Fp1")], atol=1e-3)
    expected = channels[ELECTRODES.index("Pz")] - channels[ELECTRODES.index("Cz")]
    np.testing.assert_allclose(pz - cz, expected, atol=1e-3)


def test_brainvision_and_bids_state_references_apart_from_names(tmp_path):
    path = tmp_path / "sub-1_eeg.vhdr"
    channels = "".join(
        f"Ch{number}={name},{'A1' if name[-1] in '13579' else 'A2'},1,µV\n"
        for number, name in enumerate(ELECTRODES, 1)
    )
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=a.eeg\n"
        "DataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=19\nSamplingInterval=5000\n"
        f"[Binary Infos]\nBinaryFormat=INT_16\n[Channel Infos]\n{channels}",
        encoding="utf-8",
    )
    (tmp_path / "a.eeg").write_bytes(np.arange(19 * 400, dtype="<i2").tobytes())
    assert widest_mapping(open_recording(path)).references == ("A1", "A2")
    write_recording(open_recording(path), tmp_path / "copy.edf")
    assert widest_mapping(open_recording(tmp_path / "copy.edf")).references == ("A1", "A2")
    rows = "".join(f"{name}\tEEG\tuV\tCz\n" for name in ELECTRODES)
    (tmp_path / "sub-1_channels.tsv").write_text("name\ttype\tunits\treference\n" + rows)
    assert not widest_mapping(open_recording(path)).mixed
