"""What is trained on and evaluated is what scoring gives the model: the same windows, the same recordings."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ictal.core.labels import VOTE_COLUMNS
from ictal.core.montage import MONTAGES, derivations_of
from ictal.core.recording import Gap, Recording
from ictal.data import DataSettings, open_dataset, prepare
from ictal.data.dataset import FileDataset
from ictal.data.window_array import WindowArray
from ictal.errors import TableError
from ictal.io.edf.writer import write_edf
from ictal.models.output import ModelOutput
from ictal.preprocessing.input_needs import Needs
from ictal.scoring.engines import WindowBatch
from ictal.scoring.pipeline import score
from tests.data.helpers import assert_stored
from tests.helpers import save
from tests.scoring.helpers import contract, eeg, recording_of

BANANA = derivations_of(MONTAGES["double_banana"])
NAMES = tuple(str(pair) for pair in BANANA)


@dataclass
class Keeping:
    """An engine that keeps the windows that scoring gives it."""

    contract: object
    windows: list[np.ndarray] = field(default_factory=list)
    contexts: list[np.ndarray] = field(default_factory=list)
    described: dict = field(default_factory=lambda: {"engine": "keeping"})

    def for_recording(self) -> "Keeping":
        return self

    def __call__(self, piece: WindowBatch) -> ModelOutput:
        self.windows += list(piece.windows)
        self.contexts += [] if piece.contexts is None else list(piece.contexts)
        return ModelOutput(np.full((len(piece.starts), 6), 1 / 6))


@dataclass(frozen=True)
class InMemory(FileDataset):
    """Files that are recordings in memory."""

    made: Recording = None

    def recording(self, eeg_id: str) -> Recording:
        return self.made

    def fingerprint(self) -> str:
        return "0"


def labels_at(centres_s: list[float]) -> pd.DataFrame:
    rows = [(f"a@{at}", "a", "p", at - 20, 1, 0, 0, 0, 0, 0) for at in centres_s]
    return pd.DataFrame(rows, columns=["window_id", "eeg_id", "patient_id", "start_s", *VOTE_COLUMNS])


def prepared(recording: Recording, centres_s: list[float], needs: Needs, cache: Path, **more) -> WindowArray:
    dataset = InMemory("made", labels_at(centres_s), {"a": Path("a")}, centred=True, made=recording)
    settings = contract().standardise
    return prepare(dataset.checked(needs, settings.short), settings, cache, needs=needs, **more)


def bipolar(seconds: float, rate_hz: float = 256, **more) -> Recording:
    """Return a recording of the 18 derivations, as CHB-MIT has them."""
    electrodes = recording_of(eeg(seconds, rate_hz), rate_hz)
    samples = electrodes.read()
    rows = [samples[electrodes.channels.index(a)] - samples[electrodes.channels.index(b)] for a, b in BANANA]
    return replace(Recording.from_array(np.array(rows), NAMES, rate_hz, "chb"), **more)


GAPS = (Gap(95.5, 30.25), Gap(140.0, 5.0), Gap(160.75, 900.0))
RECORDINGS = {
    "gaps": recording_of(eeg(430, 256), 256, gaps=GAPS),
    "bipolar with gaps": bipolar(300, gaps=GAPS),
    "no simple rate": recording_of(eeg(200, 200.1), 200.1),
    "clip": recording_of(eeg(30)),
    "seven minutes": recording_of(eeg(420)),
}


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("seen_s", [10, 20, 50])
def test_windows_are_those_that_scoring_gives_the_model(name, seen_s, tmp_path):
    recording = RECORDINGS[name]
    engine = Keeping(contract(derivations=NAMES, seen_s=seen_s))
    frame = score(recording, engine, step_s=5).frame
    centres_s = frame["start_s"].round(3).tolist()
    assert len(engine.windows) == len(frame) > 0
    made = prepared(recording, centres_s, Needs(BANANA, seen_s), tmp_path)
    assert len(made) == len(frame)
    begin, end = 5000 - 100 * seen_s, 5000 + 100 * seen_s
    largest_uv = abs(np.asarray(made.signals)).max()
    for ours, theirs in zip(made.signals, engine.windows, strict=True):
        assert_stored(ours[:, begin:end], theirs[:, begin:end], largest_uv, atol=1e-4)
    assert made.labels["made_up_share"].max() * seen_s == pytest.approx(frame["made_up_s"].max())
    assert np.isfinite(made.signals).all()


def test_what_a_window_has_of_eeg_around_what_is_seen_is_in_it(tmp_path):
    """So that windows may be shifted while a network is trained."""
    recording = RECORDINGS["seven minutes"]
    (one, two) = (prepared(recording, [100.0], Needs(BANANA, seen_s), tmp_path).signals[0] for seen_s in (10, 50))
    assert_stored(one, two, abs(one).max(), atol=1e-4)


def test_contexts_are_those_that_scoring_gives_the_model(tmp_path):
    recording = RECORDINGS["seven minutes"]
    engine = Keeping(contract(derivations=NAMES, sees_context=True))
    frame = score(recording, engine).frame
    made = prepared(recording, frame["start_s"].tolist(), Needs(BANANA), tmp_path, context_missing=0.5)
    np.testing.assert_allclose(made.contexts, np.stack(engine.contexts), rtol=1e-4)


@pytest.mark.parametrize(("seen_s", "wrong"), [(10, (-0.5, 90.0, 95.5, 120.0)), (50, (0.0, 5.0, 66.0, 130.0))])
def test_what_scoring_cannot_give_the_model_is_listed_with_times(seen_s, wrong, tmp_path):
    with pytest.raises(TableError) as caught:
        prepared(RECORDINGS["gaps"], [30.0, *wrong], Needs(BANANA, seen_s), tmp_path)
    lines = str(caught.value).splitlines()
    assert ("with views of 'seconds: 10'" in lines[0]) == (seen_s == 50)
    assert [line for at, line in zip(wrong, lines[1:], strict=True) if f"the 10 s from {at:g} s" not in line] == []
    assert all(f"the model sees {seen_s} s" in line for line in lines[1:])


def manifest_of(rows: list[tuple[object, ...]], column: str = "centre_s") -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["file", column, "patient_id"])
    return table.assign(**dict.fromkeys(VOTE_COLUMNS, 1))


@pytest.fixture
def clip(tmp_path) -> Path:
    write_edf(tmp_path / "clip.edf", recording_of(eeg(30)))
    return tmp_path / "clip.edf"


def test_a_manifest_states_the_voted_ten_seconds_or_in_its_old_form_the_fifty_around_them(clip, tmp_path):
    def starts(table: pd.DataFrame, seen_s: float) -> list[float]:
        spec = str(save(table, tmp_path / "m.csv"))
        return open_dataset(spec, DataSettings(), needs=Needs(seen_s=seen_s)).labels["start_s"].tolist()

    assert starts(manifest_of([("clip.edf", at, "p") for at in (0, 5, 20)]), 10) == [-20, -15, 0]
    # A start of 0 has always meant that a short recording is in the middle of its window.
    assert starts(manifest_of([("clip.edf", 0, "p")], "start_s"), 10) == [-10]
    assert starts(manifest_of([("clip.edf", 0, "p")], "start_s"), 50) == [-10]
    assert starts(manifest_of([("clip.edf", 10, "p")]), 50) == [-10]
    with pytest.raises(TableError, match=r"the 10 s from 20 s cannot be used.*start at 10 s"):
        starts(manifest_of([("clip.edf", 20, "p")]), 50)


def test_a_manifest_has_one_column_of_times(tmp_path):
    both = manifest_of([("clip.edf", 5, "p")]).assign(start_s=0)
    with pytest.raises(TableError, match="has centre_s and start_s; allowed is one of them"):
        open_dataset(str(save(both, tmp_path / "m.csv")), DataSettings())
    neither = both.drop(columns=["centre_s", "start_s"])
    with pytest.raises(TableError, match="has neither centre_s nor start_s"):
        open_dataset(str(save(neither, tmp_path / "m.csv")), DataSettings())
    for value in ("-1", "soon", "inf", ""):
        wrong = manifest_of([("clip.edf", value, "p")])
        with pytest.raises(TableError, match=rf"line 2: centre_s is '{value}'; allowed are seconds from 0"):
            open_dataset(str(save(wrong, tmp_path / "m.csv")), DataSettings())


def test_electrodes_are_interpolated_for_training_as_for_scoring(tmp_path):
    samples = eeg(60)
    names = [name for name in recording_of(samples).channels if name != "Cz"]
    rows = [recording_of(samples).channels.index(name) for name in names]
    write_edf(tmp_path / "cz.edf", Recording.from_array(samples[rows], tuple(names), 200))
    spec = str(save(manifest_of([("cz.edf", 25, "p")]), tmp_path / "m.csv"))
    with pytest.raises(TableError, match="no channel for Cz"):
        open_dataset(spec, DataSettings(), needs=Needs(BANANA, 10))
    needs = Needs(BANANA, 10, interpolate=1)
    dataset = open_dataset(spec, DataSettings(), needs=needs)
    made = prepare(dataset, contract().standardise, tmp_path / "cache", needs=needs)
    engine = Keeping(contract(derivations=NAMES, seen_s=10))
    score(tmp_path / "cz.edf", engine, step_s=5, interpolate=1)
    ours = made.signals[0]
    assert_stored(ours[:, 4000:6000], engine.windows[5][:, 4000:6000], abs(ours).max(), atol=1e-4)


def test_windows_of_files_with_all_electrodes_are_kept_once_whatever_a_model_looks_at(clip, tmp_path):
    spec = str(save(manifest_of([("clip.edf", 5, "p")]), tmp_path / "m.csv"))
    few = derivations_of(MONTAGES["long_chains"])
    prints = {open_dataset(spec, DataSettings(), needs=Needs(one, 10)).fingerprint() for one in (None, few, BANANA)}
    assert len(prints) == 1
