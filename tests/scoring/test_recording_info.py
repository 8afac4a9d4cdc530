import json
import re
from dataclasses import replace
from datetime import datetime

import mne
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.montage import CHAINS, CHANNELS, ELECTRODES, MONTAGES, derivations_of
from ictal.core.recording import Annotation, ArraySource, Gap, Recording
from ictal.core.windows import CENTRE_SAMPLES, Geometry
from ictal.errors import ElectrodeError, ReadError, UnknownNameError
from ictal.io import open_recording
from ictal.io.edf.writer import write_edf
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.runs import recorded_runs
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import resample
from ictal.scoring.export_contract import Input
from ictal.scoring.pipeline import plan_chunks, score
from ictal.scoring.recording_info import VIEWS, Info, describe, info
from tests.helpers import noise
from tests.scoring.helpers import Loudness, contract

CHAIN = tuple(str(pair) for pair in derivations_of(CHAINS))
BANANA = tuple(str(pair) for pair in derivations_of(MONTAGES["double_banana"]))
LONG = tuple(str(pair) for pair in derivations_of(MONTAGES["long_chains"]))


def made(
    channels: tuple[str, ...] = CHANNELS, seconds: float = 70, rate_hz: float = 200, **more: object
) -> Recording:
    samples = noise(round(seconds * rate_hz), n_channels=len(channels))
    return replace(Recording.from_array(samples, channels, rate_hz, "a.edf"), **more)


def spoilt(channels: tuple[str, ...] = CHANNELS, **values: object) -> Recording:
    """Return a recording of which some channels are a constant, or, where a function is given, made by it."""
    samples = noise(14_000, n_channels=len(channels))
    for name, value in values.items():
        row = channels.index(name.replace("_", "-"))
        samples[row] = value(samples[row]) if callable(value) else value
    return Recording.from_array(samples, channels, 200, "a.edf")


def looks_at(derivations: tuple[str, ...], seen_s: float = 50) -> Input:
    """Return what a model must be given."""
    return Input(name="made", standardise=StandardiseSettings(), derivations=derivations, seen_s=seen_s)


def formed(info: Info) -> tuple[int, ...]:
    return tuple(count for count, _ in info.views.values())


def test_all_that_is_known_of_a_good_recording_is_told_and_is_json():
    recording = made(
        (*CHANNELS, "SaO2"),
        start=datetime(2020, 2, 3, 4, 5),
        gaps=(Gap(55, 30),),
        annotations=(Annotation(1, 2, "eyes open"),),
        notes=("its header is odd",),
    )
    info = describe(recording)
    assert info.problem == ""
    assert (info.kind, info.electrodes, info.missing, info.interpolated) == ("referential", ELECTRODES, (), ())
    assert (info.span_s, info.duration_s, info.rate_hz) == (100, 70, 200)
    assert (info.ignored, info.derivations, info.flat) == (("SaO2",), (), ())
    assert formed(info) == tuple(of for _, of in info.views.values()) == (8, 16, 18)
    assert (info.model, info.window_s) == ("default", 10)
    assert info.n_windows == 6  # five before the gap, one in the 15 s after it
    assert describe(recording, looks_at(CHAIN)).n_windows == 1  # 50 s of 55, and none of 15
    # the median deviation of a normal distribution is 0.6745 of its standard deviation, 60 µV
    assert info.amplitude_uv == pytest.approx(0.6745 * 60, rel=0.05)
    told = json.loads(json.dumps(info.to_json(), allow_nan=False))
    assert told["start"] == "2020-02-03T04:05:00"
    assert told["gaps"] == [[55, 30]]
    assert told["notes"] == ["its header is odd"]
    assert told["n_annotations"] == 1
    assert told["views"] == {name: {"formed": len(pairs), "of": len(pairs)} for name, pairs in VIEWS.items()}
    assert {*told} == {*Info.__dataclass_fields__}


def test_a_clock_that_is_not_known_is_null():
    assert json.loads(json.dumps(describe(made()).to_json()))["start"] is None


lengths_s = st.lists(st.floats(0.1, 400), min_size=1, max_size=4)


@given(
    lengths_s, st.sampled_from([100, 128, 199, 200, 256, 250.5, 500, 1000 / 3, 200.1]), st.sampled_from([10, 20, 50])
)
def test_the_windows_are_those_that_scoring_plans(lengths, rate_hz, seen_s):
    counts = [round(length * rate_hz) or 1 for length in lengths]
    gaps, onset_s = [], 0.0
    for count in counts[:-1]:
        gaps.append(Gap(onset_s + count / rate_hz, 5.0))
        onset_s += count / rate_hz + 5
    source = ArraySource(np.zeros((len(CHANNELS), sum(counts)), dtype=np.float32))
    recording = Recording("a.edf", CHANNELS, rate_hz, sum(counts), source, gaps=tuple(gaps))
    runs = recorded_runs(recording, map_channels(recording), "linear")
    planned = sum(len(chunk.starts) for chunk in plan_chunks(runs, CENTRE_SAMPLES, Geometry(seen_s)))
    info = describe(recording, looks_at(BANANA, seen_s))
    assert info.n_windows == planned
    assert (info.problem == "") == (planned > 0)


@pytest.mark.parametrize(
    ("recording", "problem"),
    [
        (made(seconds=9.9), r"lasts 9\.9 s; needed are 10 s without a gap$"),
        (made(seconds=18, gaps=(Gap(9, 1),)), r"lasts 18 s in 2 runs; needed are 10 s without a gap$"),
        (made(rate_hz=99), r"99 Hz is too slow; at least 100 Hz are needed"),
        (made(seconds=0), r"lasts 0 s"),
        (made(("SaO2", "EMG1-EMG2")), r"no channel for Fp1, F3, .*this file has SaO2, EMG1-EMG2"),
        (
            made(CHANNELS[1:]),
            r"no channel for Fp1, which the model needs.*has F3.*; with --interpolate 1 it can be",
        ),
        (made((*CHANNELS, "T7")), r"two channels for one electrode: T7 and T3"),
        (made(CHAIN[:3]), r"is bipolar, and the derivations T5-O1, .* cannot be formed"),
        (spoilt(O1=lambda row: row * 1e6), r"an electrode varies by 4\S* µV; .*unit is probably wrong"),
    ],
)
def test_what_forbids_scoring_is_said_without_the_name_of_the_file(recording, problem):
    info = describe(recording)
    assert re.match(problem, info.problem), info.problem
    assert "a.edf" not in info.problem
    json.dumps(info.to_json(), allow_nan=False)


def test_volts_that_are_called_microvolts_are_a_problem():
    recording = Recording.from_array(noise(14_000) * np.float32(1e-6), CHANNELS, 200)
    info = describe(recording)
    assert "no electrode varies by more than 4" in info.problem
    assert info.amplitude_uv is None
    with pytest.raises(ReadError, match="unit is probably wrong"):
        resample(recording, "linear")


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 3.0])
def test_a_recording_in_which_nothing_moves_is_told_to_be_flat(value):
    info = describe(Recording.from_array(np.full((len(CHANNELS), 14_000), value), CHANNELS, 200))
    assert info.flat == ELECTRODES
    assert info.amplitude_uv == 0
    json.dumps(info.to_json(), allow_nan=False)


def test_flat_electrodes_are_named():
    def for_a_while(row):
        return np.where(np.arange(len(row)) < 8000, 5, row)

    info = describe(spoilt(F8=7, Cz=np.nan, O1=for_a_while))
    assert info.flat == ("Cz", "F8")
    assert info.problem == ""


# --- files that are not the 19 electrodes ---


def test_a_bipolar_file_is_told_by_its_channels_and_dead_ones_by_their_names():
    info = describe(spoilt((*BANANA, "ECG-LE", "SaO2"), F7_T3=3, Cz_Pz=np.nan))
    assert info.problem == ""
    assert (info.kind, info.electrodes, info.missing) == ("bipolar", (), ())
    assert info.derivations == BANANA
    assert info.ignored == ("SaO2",)
    assert info.flat == ("F7-T3", "Cz-Pz")
    assert formed(info) == (8, 16, 18)


def test_a_bipolar_file_says_how_much_of_each_view_can_be_formed():
    info = describe(made((*CHAIN[:8], "Fz-Cz")))  # the left side, and half of the midline
    assert formed(info) == (4, 8, 9)
    assert info.kind == "bipolar"
    assert info.problem
    without_midline = describe(made(CHAIN), looks_at(CHAIN))
    assert (formed(without_midline), without_midline.problem) == ((8, 16, 16), "")
    assert "derivations Fz-Cz, Cz-Pz" in describe(made(CHAIN)).problem


def test_one_derivation_beside_electrodes_hides_nothing():
    info = describe(made((*CHANNELS[1:], "T3-T5")))
    assert info.problem.startswith("no channel for Fp1")
    assert info.missing == ("Fp1",)
    assert info.kind == "referential"
    assert info.ignored == ("T3-T5",)


def test_missing_electrodes_matter_to_the_views_that_look_at_them():
    without_f7 = tuple(name for name in CHANNELS if name != "F7")
    info = describe(made(without_f7))
    assert (info.kind, info.missing) == ("referential", ("F7",))
    assert info.problem.endswith("with --interpolate 1 it can be scored")
    assert formed(info) == (8, 14, 16)
    assert describe(made(without_f7), looks_at(LONG)).problem == ""
    assert describe(made(without_f7), looks_at(CHAIN)).problem.startswith("no channel for F7, which the model needs")


def test_without_a_model_the_one_that_scores_by_default_is_meant():
    without_cz = made(tuple(name for name in CHANNELS if name != "Cz"))
    info = describe(without_cz)
    assert info.model == "default"
    assert info.problem.startswith("no channel for Cz, which the model needs")
    assert info.problem.endswith("with --interpolate 1 it can be scored")
    assert describe(without_cz, interpolate=1).problem == ""
    assert "--interpolate" not in describe(made(CHANNELS[:6])).problem  # too many are missing
    assert "--interpolate" not in describe(made(CHAIN[:8])).problem  # voltages are no electrodes
    with pytest.raises(ElectrodeError, match="no channel for Cz"):
        score(without_cz, Loudness(contract(derivations=BANANA, seen_s=10)))


def test_what_would_be_made_of_others_is_named():
    without = tuple(name for name in CHANNELS if name not in ("F7", "O2"))
    assert describe(made(without), looks_at(CHAIN), 1).problem.startswith("no channel for F7, O2")
    info = describe(made(without), looks_at(CHAIN), 2)
    assert (info.problem, info.missing, info.interpolated) == ("", ("F7", "O2"), ("F7", "O2"))
    assert formed(info) == (8, 16, 18)


# --- real files ---

REAL = {
    "stevenson_neonatal_burst_eg.edf": ("referential", 211, (8, 16, 18), ""),
    "mne_overlapping_ann_64ch.edf": ("referential", 124, (8, 16, 18), ""),
    "mne_chtypes_42ch_5s.edf": ("referential", 5, (8, 16, 18), "lasts 5 s"),
    "nedc_example_size_mismatch.edf": ("referential", 4, (8, 16, 18), "lasts 4 s"),
    "mne_test_edf_stim_25ch.edf": ("referential", 9.59375, (8, 16, 18), "lasts 9.59375 s"),
    "stevenson_preterm_demo.edf": ("bipolar", 661, (0, 4, 4), "is bipolar, and the derivations "),
    "edfjs_5ch_bipolar.edf": ("bipolar", 100, (2, 5, 5), "is bipolar, and the derivations "),
    "mne_multi_annotation.bdf": ("referential", 247, (2, 6, 6), "no channel for Fp1, F7, T3, T5, Cz"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_described(shared_data, name):
    kind, span_s, derivations, problem = REAL[name]
    info = describe(open_recording(shared_data / "edf" / name))
    assert (info.kind, info.span_s, formed(info)) == (kind, pytest.approx(span_s), derivations)
    assert info.problem.startswith(problem)
    assert bool(info.problem) == bool(problem)
    json.dumps(info.to_json(), allow_nan=False)


def test_every_real_clip_can_be_scored(shared_data):
    paths = sorted((shared_data / "seizure").glob("*.edf"))
    assert len(paths) == 38
    for path in paths:
        info = describe(open_recording(path))
        assert info.problem == "", path
        assert info.kind == ("bipolar" if path.name.startswith("chb") else "referential")
        assert formed(info) == (8, 16, 18)
        assert 2 < info.amplitude_uv < 200
        assert info.flat == ()
        assert info.n_windows > 0


def test_info_takes_a_path_a_recording_or_what_mne_read(tmp_path):
    recording = made()
    write_edf(tmp_path / "a.edf", recording)
    raw = mne.io.read_raw_edf(tmp_path / "a.edf", preload=True, verbose="error")
    found = [info(one, looks_at(CHAIN)) for one in (tmp_path / "a.edf", open_recording(tmp_path / "a.edf"), raw)]
    assert [one.n_windows for one in found] == [describe(recording, looks_at(CHAIN)).n_windows] * 3
    assert info(recording).model == "default"
    with pytest.raises(UnknownNameError, match="unknown model 'none'"):
        info(recording, "none")


def test_a_notebook_shows_what_is_known_escaped():
    shown = describe(made(notes=("its header is <odd>",)))._repr_html_()
    assert "its header is &lt;odd&gt;" in shown
    assert "can score it: " in shown
    assert "interpolated" not in shown
