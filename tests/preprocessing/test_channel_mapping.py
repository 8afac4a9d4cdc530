from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import mne
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ictal.core.montage import (
    ALIASES,
    CHAINS,
    CHANNELS,
    ELECTRODES,
    MONTAGES,
    Derivation,
    derivations_of,
    montage_matrix,
)
from ictal.core.recording import Recording
from ictal.errors import ElectrodeError
from ictal.io import open_recording
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import bipolar_mapping, map_channels
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.spherical_splines import spline_weights
from ictal.preprocessing.standardise import resample, standardise
from tests.helpers import noise

BANANA = derivations_of(MONTAGES["double_banana"])
LONG = derivations_of(MONTAGES["long_chains"])
SPATIAL = derivations_of(CHAINS)
EXTRA = ("FT9", "FT10", "T1", "Oz")
NODES = (*ELECTRODES, *EXTRA)
NAMES = {name: (name, *(old for old, new in ALIASES.items() if new == name)) for name in (*CHANNELS, *EXTRA)}

# As they stand in the files of CHB-MIT, and as MNE renames the channel that they have twice.
CHB = (
    *("FP1-F7", "F7-T7", "T7-P7", "P7-O1", "FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4", "C4-P4", "P4-O2"),
    *("FP2-F8", "F8-T8", "T8-P8", "P8-O2", "FZ-CZ", "CZ-PZ", "P7-T7", "T7-FT9", "FT9-FT10", "FT10-T8", "T8-P8"),
)
CHB_OF_MNE = (*CHB[:14], "T8-P8-0", *CHB[15:22], "T8-P8-1")

# Sums of up to 19 potentials of less than 1000 µV, in float32.
ROUNDING = 19 * 1000 * 2**-23


def made(channels: Sequence[str], samples: np.ndarray | None = None, **more: object) -> Recording:
    """Return a recording of such channels."""
    array = noise(40, n_channels=len(channels)) if samples is None else samples
    return replace(Recording.from_array(array, tuple(channels), 200, "a.edf"), **more)


def canonical(name: str) -> str:
    """Return the one name of an electrode, written apart from the product's own reading of names."""
    plain = name.upper()
    return next((one for one, others in NAMES.items() if plain in {other.upper() for other in others}), plain)


def between(names: Sequence[str], potentials: dict[str, np.ndarray]) -> np.ndarray:
    """Return the voltages that channels called A-B record."""
    pairs = [[canonical(part) for part in name.split("-")[:2]] for name in names]
    return np.array([potentials[anode] - potentials[cathode] for anode, cathode in pairs], dtype=np.float32)


def head(seed: int, n_samples: int = 40) -> dict[str, np.ndarray]:
    """Return a potential of each electrode, the EKG and some more."""
    names = (*CHANNELS, *EXTRA)
    return dict(zip(names, noise(n_samples, seed, len(names)), strict=True))


def is_star(names: Sequence[str]) -> bool:
    """Say whether at least three electrodes, and all that there are, stand against one other."""
    ends = [tuple(map(canonical, name.split("-"))) for name in names]
    cathodes = [cathode for anode, cathode in ends if anode in ELECTRODES]
    return len(cathodes) >= 3 and len({*cathodes}) == 1


def samples_of(potentials: dict[str, np.ndarray]) -> np.ndarray:
    return np.array([potentials[name] for name in CHANNELS])


def electrodes_of(recording: Recording, mapping: ChannelMapping) -> np.ndarray:
    return mapping.apply(recording.read(rows=mapping.rows))


def lacking(*names: str) -> Recording:
    """Return a recording without some of the electrodes."""
    there = [name for name in CHANNELS if name not in names]
    return made(there, noise(40)[[CHANNELS.index(name) for name in there]])


# --- against a reference ---


@given(st.data())
def test_electrodes_are_found_under_any_name_in_any_order_among_other_channels(data):
    potentials = head(0)
    present = [name for name in CHANNELS if name != "EKG" or data.draw(st.booleans())]
    prefix = data.draw(st.sampled_from(["", "EEG ", "eeg_", "POL ", "EEG-"]))
    reference = data.draw(st.sampled_from(["", "-REF", "-LE", "-A1", "-Avg"]))
    case = data.draw(st.sampled_from([str, str.upper, str.lower]))
    written = {case(f"{prefix}{data.draw(st.sampled_from(NAMES[name]))}{reference}"): name for name in present}
    others = data.draw(st.lists(st.sampled_from(["SaO2", "A1", "Fp1-F7", "Photic", "X1", "Fpz"]), unique=True))
    channels = data.draw(st.permutations([*written, *others]))
    rows = [potentials[written[name]] if name in written else np.full(40, 1e4) for name in channels]
    recording = made(channels, np.array(rows))
    mapping = map_channels(recording)
    assert (mapping.kind, mapping.interpolated, mapping.known) == ("referential", (), ELECTRODES)
    assert sorted(mapping.ignored) == sorted(others)
    expected = [potentials[name] if name in present else np.zeros(40) for name in CHANNELS]
    np.testing.assert_array_equal(electrodes_of(recording, mapping), expected)


def test_electrodes_that_a_model_does_not_look_at_may_be_missing_and_are_silent():
    recording = lacking("F7", "Cz", "EKG")
    mapping = map_channels(recording, LONG)
    out = electrodes_of(recording, mapping)
    for name in CHANNELS:
        row = CHANNELS.index(name)
        np.testing.assert_array_equal(out[row], 0 if name in ("F7", "Cz", "EKG") else noise(40)[row])
    assert {*ELECTRODES} - {*mapping.known} == {"F7", "Cz"}
    assert mapping.forms(Derivation("Fp1", "T3"))
    assert not mapping.forms(Derivation("Fp1", "F7"))


@pytest.mark.parametrize("derivations", [None, SPATIAL])
def test_missing_electrodes_are_named_with_the_file_and_what_it_has(derivations):
    with pytest.raises(ElectrodeError, match=r"^a\.edf: no channel for F7, O2.*file has Fp1, F3, C3") as caught:
        map_channels(lacking("F7", "O2"), derivations)
    assert ("which the model needs" in str(caught.value)) == (derivations is not None)


def test_two_channels_for_one_electrode_are_refused_but_two_for_the_heart_are_not():
    for twin in ("T7", "EEG T3-REF", "t3-LE"):
        with pytest.raises(ElectrodeError, match=rf"a\.edf: two channels for .*: {twin} and T3 \(both T3\)"):
            map_channels(made((*CHANNELS, twin)))
    recording = made(("ECG", *ELECTRODES, "EKG1"))
    mapping = map_channels(recording)
    assert mapping.ignored == ("EKG1",)
    np.testing.assert_array_equal(electrodes_of(recording, mapping)[-1], recording.read()[0])


@pytest.mark.parametrize("kind", ["eog", "misc", "bad", "stim", "resp"])
def test_a_channel_that_its_file_calls_no_eeg_is_no_electrode(kind):
    kinds = (kind, *["eeg"] * 18, "ecg")
    with pytest.raises(ElectrodeError, match="no channel for Fp1"):
        map_channels(made(CHANNELS, kinds=kinds))
    twin = made(("T7", *CHANNELS), kinds=(kind, *["eeg"] * 19, "ecg"))
    assert map_channels(twin).ignored == ("T7",)
    pairs = tuple(str(pair) for pair in CHAINS["LL"])
    with pytest.raises(ElectrodeError, match="Fp1-F7"):
        map_channels(made(pairs, kinds=(kind, *["eeg"] * 3)), CHAINS["LL"])


# --- voltages between electrodes ---

pairs_of_nodes = st.lists(
    st.sampled_from(list(combinations(NODES, 2))), min_size=1, max_size=40, unique_by=lambda pair: frozenset(pair)
)


@given(st.data(), pairs_of_nodes, st.integers(0, 99))
def test_every_derivation_that_follows_from_the_recorded_ones_is_right_and_the_others_are_refused(data, edges, seed):
    names = []
    for edge in edges:
        anode, cathode = data.draw(st.permutations(edge))
        written = [data.draw(st.sampled_from(NAMES[name])) for name in (anode, cathode)]
        names.append("-".join(written))
    recording = made(names, between(names, head(seed)))
    ends = np.array([[NODES.index(name) for name in edge] for edge in edges])
    graph = coo_array((np.ones(len(edges)), ends.T), shape=(len(NODES), len(NODES)))
    _, part = connected_components(graph, directed=False)
    for pair in {*BANANA, *LONG}:
        if part[NODES.index(pair.anode)] == part[NODES.index(pair.cathode)]:
            mapping = map_channels(recording, [pair])
            assert mapping.kind == ("referential" if is_star(names) else "bipolar")
            assert mapping.forms(pair)
            formed = montage_matrix((pair,)) @ electrodes_of(recording, mapping)
            np.testing.assert_allclose(formed, between([str(pair)], head(seed)), rtol=0, atol=ROUNDING)
        else:
            with pytest.raises(ElectrodeError, match=rf"a\.edf: .*({pair}|{pair.anode})"):
                map_channels(recording, [pair])


@pytest.mark.parametrize("channels", [CHB, CHB_OF_MNE, tuple(f"EEG {name}" for name in CHB)])
def test_the_channels_of_chb_mit_give_the_double_banana_and_their_doubles_are_ignored(channels):
    samples = between(CHB, head(1))
    samples[-1] += 500  # the second T8-P8: were it taken, the result would show it
    samples[CHB.index("P7-T7")] += 500
    recording = made(channels, samples)
    for montage in MONTAGES:
        derivations = derivations_of(MONTAGES[montage])
        mapping = map_channels(recording, derivations)
        formed = montage_matrix(derivations) @ electrodes_of(recording, mapping)
        truth = between([str(pair) for pair in derivations], head(1))
        np.testing.assert_allclose(formed, truth, rtol=0, atol=ROUNDING)
    assert mapping.known == ELECTRODES
    assert mapping.ignored == (channels[CHB.index("P7-T7")], channels[-1])
    # Through FT9 and FT10 the two sides are known to each other; the midline stands alone.
    assert mapping.forms(Derivation("T3", "T4"))
    assert not mapping.forms(Derivation("C3", "Cz"))


def test_all_that_a_bipolar_file_lacks_is_named():
    without = [name for name in CHB if not name.startswith(("C3", "FZ"))]
    with pytest.raises(ElectrodeError) as caught:
        map_channels(made(without), BANANA)
    for words in ("a.edf: is bipolar", "Fz-Cz", "this file has FP1-F7"):
        assert words in str(caught.value)
    assert "C3-P3" not in str(caught.value)  # it follows from the rest of the left side
    with pytest.raises(ElectrodeError, match="needed are the 19 electrodes"):
        map_channels(made(CHB))


def test_the_heart_of_a_bipolar_file_is_read():
    recording = made((*CHB, "ECG"))
    mapping = map_channels(recording, BANANA)
    np.testing.assert_array_equal(electrodes_of(recording, mapping)[-1], recording.read()[-1])
    marks = np.zeros((len(mapping.rows), 40), dtype=bool)
    marks[-1] = True
    np.testing.assert_array_equal(mapping.spread(marks).any(axis=1), [*[False] * 19, True])


def test_electrodes_go_before_derivations_and_derivations_before_what_is_made_up():
    both = made((*CHANNELS, *CHB))
    assert map_channels(both, BANANA).kind == "referential"
    without = made((*CHANNELS[1:], *CHB))
    assert map_channels(without, BANANA, interpolate=1).kind == "bipolar"
    assert map_channels(made((*CHANNELS[1:], "Fp2-F4")), interpolate=1).interpolated == ("Fp1",)


def test_an_electrode_that_only_derivations_have_is_joined_to_those_against_a_reference():
    potentials = head(4)
    names = (*CHANNELS[1:], "Fp1-F7", "Fp1-F3")
    samples = np.array([*(potentials[name] for name in CHANNELS[1:]), *between(names[-2:], potentials)])
    recording = made(names, samples)
    for mapping in (map_channels(recording), map_channels(recording, BANANA, interpolate=1)):
        assert (mapping.kind, mapping.interpolated, mapping.ignored) == ("referential", (), ("Fp1-F3",))
        found = montage_matrix(BANANA) @ electrodes_of(recording, mapping)
        np.testing.assert_allclose(found, montage_matrix(BANANA) @ samples_of(potentials), rtol=0, atol=ROUNDING)


def test_a_derivation_beside_electrodes_does_not_make_a_file_bipolar():
    recording = made((*lacking("O2").channels, "T3-T5"))
    with pytest.raises(ElectrodeError, match=r"a\.edf: no channel for O2, which the model needs"):
        map_channels(recording, SPATIAL)
    assert bipolar_mapping(recording) is None
    assert bipolar_mapping(made(CHB)) is not None
    assert bipolar_mapping(made(("SaO2", "EMG1-EMG2", "FT9-FT10"))) is None


@pytest.mark.parametrize("rate_hz", [200, 256])
def test_a_bipolar_copy_of_a_file_is_standardised_to_the_same_derivations(rate_hz):
    potentials = head(2, 60 * rate_hz)
    plain = Recording.from_array(np.array([potentials[name] for name in CHANNELS]), CHANNELS, rate_hz)
    copy = Recording.from_array(between(CHB, potentials), CHB, rate_hz)
    settings = StandardiseSettings()
    expected = montage_matrix(BANANA) @ standardise(plain, settings).signal
    found = montage_matrix(BANANA) @ standardise(copy, settings, map_channels(copy, BANANA)).signal
    np.testing.assert_allclose(found, expected, rtol=0, atol=4 * ROUNDING)


@pytest.mark.parametrize("dead", [np.nan, 7.0])
def test_one_dead_derivation_silences_no_other(dead):
    names = tuple(str(pair) for pair in BANANA if pair != Derivation("P3", "O1"))  # so that LL and LP make no ring
    potentials = head(3, 4000)
    samples = between(names, potentials)
    samples[names.index("F7-T3")] = dead
    recording = Recording.from_array(samples, names, 200)
    mapping = map_channels(recording, [pair for pair in BANANA if pair != Derivation("P3", "O1")])
    out = standardise(recording, StandardiseSettings(band_hz=None), mapping)
    for pair in map(Derivation._make, (name.split("-") for name in names)):
        truth = 0 if str(pair) == "F7-T3" else between([str(pair)], potentials)
        np.testing.assert_allclose(montage_matrix((pair,)) @ out.signal, truth + np.zeros((1, 4000)), atol=ROUNDING)
    shown = {name for name, missing in zip(CHANNELS, out.missing, strict=True) if missing.any()}
    assert shown == {"F7", "T3", "EKG"}
    assert resample(recording, "linear", mapping).flat.any() == (dead == 7.0)


# --- marks ---


@given(st.sampled_from([CHANNELS, CHB]), st.data())
def test_marks_of_a_channel_spoil_its_own_electrodes_and_no_others(channels, data):
    recording = made(channels)
    mapping = map_channels(recording, BANANA)
    marked = data.draw(st.sets(st.sampled_from(range(len(mapping.rows)))))
    marks = np.zeros((len(mapping.rows), 3), dtype=bool)
    marks[sorted(marked), 1] = True
    spread = mapping.spread(marks)
    assert not spread[:, [0, 2]].any()
    expected = {canonical(part) for row in marked for part in channels[mapping.rows[row]].split("-")} & {*CHANNELS}
    assert {name for name, mark in zip(CHANNELS, spread[:, 1], strict=True) if mark} == expected


def test_what_is_made_of_others_is_spoilt_with_those_that_it_takes_much_of():
    mapping = map_channels(lacking("Cz"), interpolate=1)
    weights = dict(zip(_all_but("Cz"), spline_weights(_all_but("Cz"), ["Cz"])[0], strict=True))
    spoilt = set()
    for row, name in enumerate(weights):
        marks = np.zeros((len(mapping.rows), 1), dtype=bool)
        marks[row] = True
        shown = {CHANNELS[index] for index in np.flatnonzero(mapping.spread(marks))}
        assert shown in ({name}, {name, "Cz"})
        if "Cz" in shown:
            spoilt.add(name)
    assert {"Fz", "Pz", "C3", "C4"} <= spoilt
    assert not {"Fp1", "Fp2", "O1", "O2"} & spoilt
    assert spoilt == {name for name, weight in weights.items() if abs(weight) > 0.1}


# --- what is made of others ---


def _all_but(*missing: str) -> list[str]:
    return [name for name in ELECTRODES if name not in missing]


@pytest.mark.parametrize(
    "missing", [("Cz",), ("Fp1", "T4"), ("Pz", "O1", "O2"), ("F8", "C4", "T4", "P4", "T6", "O2")]
)
def test_interpolation_is_that_of_mne(missing):
    recording = lacking(*missing)
    mapping = map_channels(recording, interpolate=len(missing))
    assert mapping.kind == "referential"
    assert {*mapping.interpolated} == {*missing}
    assert mapping.known == ELECTRODES
    assert all(mapping.forms(pair) for pair in BANANA)
    theirs = mne.io.RawArray(noise(40)[:19], mne.create_info(list(ELECTRODES), 200, "eeg"), verbose="ERROR")
    known = mne.channels.get_builtin_montages()
    theirs.set_montage(next(name for name in ("colin27_1020", "standard_1020") if name in known))
    theirs.info["bads"] = list(missing)
    theirs.interpolate_bads(verbose="ERROR")
    np.testing.assert_allclose(electrodes_of(recording, mapping)[:19], theirs.get_data(), rtol=0, atol=ROUNDING)
    for name in _all_but(*missing):
        row = CHANNELS.index(name)
        np.testing.assert_array_equal(electrodes_of(recording, mapping)[row], noise(40)[row])


@given(st.lists(st.sampled_from(ELECTRODES), min_size=1, max_size=4, unique=True))
def test_interpolation_knows_no_reference(missing):
    weights = spline_weights(_all_but(*missing), missing)
    assert weights.shape == (len(missing), 19 - len(missing))
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)


def test_no_more_electrodes_are_made_up_than_allowed_and_none_that_is_not_looked_at():
    recording = lacking("Cz", "F7", "T3")
    for interpolate in (0, 1, 2):
        with pytest.raises(ElectrodeError, match="no channel for F7, T3, Cz"):
            map_channels(recording, interpolate=interpolate)
    assert map_channels(recording, interpolate=3).interpolated == ("F7", "T3", "Cz")
    assert map_channels(recording, LONG, interpolate=1).interpolated == ("T3",)
    with pytest.raises(ElectrodeError, match="no channel for"):
        map_channels(made(("Cz", "EKG")), interpolate=19)


# --- real files ---


@pytest.mark.parametrize("clip", ["chb01_26_JR_seizure", "chb04_28_Ap_after", "chb10_38_cf_seizure"])
def test_real_files_of_chb_mit_give_their_own_channels(shared_data, clip):
    recording = open_recording(shared_data / "seizure" / f"{clip}.edf")
    mapping = map_channels(recording, BANANA)
    samples = recording.read(0, 2560, mapping.rows)
    formed = montage_matrix(BANANA) @ mapping.apply(samples)
    for pair, row in zip(BANANA, formed, strict=True):
        name = next(name for name in recording.channels if tuple(map(canonical, name.split("-")[:2])) == pair)
        recorded = recording.read(0, 2560, [recording.channels.index(name)])[0]
        # A ring of eight channels sums to zero but for what 16 bits round, and for what saturated.
        quiet = abs(samples).max(axis=0) < 700
        assert quiet.mean() > 0.5
        np.testing.assert_allclose(row[quiet], recorded[quiet], rtol=0, atol=1)


def test_a_real_file_of_eight_derivations_is_refused_in_words(shared_data):
    recording = open_recording(shared_data / "edf" / "stevenson_preterm_demo.edf")
    with pytest.raises(ElectrodeError, match=r"demo\.edf: is bipolar, and the derivations Fp1-T3, .*F7-C3, C3-T5"):
        map_channels(recording, LONG)
    assert map_channels(recording, [Derivation("F7", "T5"), Derivation("C4", "T6")]).kind == "bipolar"
