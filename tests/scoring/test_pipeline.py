import json
import re
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import edfio
import mne
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import ictal
from ictal.core.labels import PATTERN_TITLES
from ictal.core.montage import CHANNELS, ELECTRODES, MONTAGES, derivations_of, montage_matrix
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Annotation, Gap, Recording
from ictal.errors import ElectrodeError, IctalError, ReadError, RecipeError, TableError, UnknownNameError
from ictal.io.edf.writer import write_edf
from ictal.models.checkpoint import load_model
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.scoring import pipeline
from ictal.scoring.engines import exported as exported_engine
from ictal.scoring.events import Events
from ictal.scoring.pipeline import ScoreSettings, score
from ictal.scoring.quality import FLAWS, QualitySettings
from ictal.scoring.scores import AEEG_COLUMNS, COLUMNS, SPECTRUM_COLUMNS, Scores
from tests.core.test_ahead import StrangeError, reading
from tests.scoring.helpers import Loudness, contract, eeg, exported, recording_of

AGREE = 1e-4
COUNTS = ["reason", *FLAWS]
NUMBERS = ["usable", "left_right", *AEEG_COLUMNS]
ALL_AT_ONCE = 10**6


def sizes(monkeypatch, first: int, others: int) -> None:
    monkeypatch.setattr(pipeline, "FIRST_WINDOWS", first)
    monkeypatch.setattr(pipeline, "WINDOWS", others)


def assert_alike(found: pd.DataFrame, expected: pd.DataFrame, onset_s: float = 0) -> None:
    """Times and counts alike, probabilities within the issue's 1e-4, and amplitudes within float32's rounding."""
    assert len(found) == len(expected)
    np.testing.assert_allclose(found["start_s"], expected["start_s"] + onset_s, atol=1e-9)
    np.testing.assert_allclose(found["stop_s"] - found["start_s"], 10)
    assert found[COUNTS].reset_index(drop=True).equals(expected[COUNTS].reset_index(drop=True))
    for name in ("marks", *SPECTRUM_COLUMNS):
        ours, theirs = np.stack(found[name].tolist()), np.stack(expected[name].tolist())
        np.testing.assert_allclose(ours, theirs, atol=0 if name == "marks" else 1e-2)
    np.testing.assert_allclose(found[NUMBERS], expected[NUMBERS], rtol=1e-3, atol=1e-3)
    probabilities = [*PROBABILITY_COLUMNS, "spread"]
    np.testing.assert_allclose(found[probabilities], expected[probabilities], atol=AGREE)


def damaged(seconds: float, rate_hz: float = 200) -> np.ndarray:
    """Return EEG of which one electrode is off for a while, and all are missing for a minute."""
    samples = eeg(seconds, rate_hz)
    samples[3, round(20 * rate_hz) : round(70 * rate_hz)] = 5
    samples[:, round(130 * rate_hz) : round(190 * rate_hz)] = np.nan
    return samples


@pytest.mark.parametrize(("rate_hz", "step_s"), [(200, 10), (256, 2.5), (500, 7.5)])
def test_a_stream_is_the_whole_taken_piece_by_piece(monkeypatch, rate_hz, step_s):
    recording = recording_of(damaged(300, rate_hz), rate_hz)
    sizes(monkeypatch, ALL_AT_ONCE, ALL_AT_ONCE)
    whole = score(recording, exported(), step_s=step_s).frame
    assert whole["seizure_probability"].isna().any()
    assert whole[list(PROBABILITY_COLUMNS)].std().max() > 0.03, "windows alike prove nothing"
    sizes(monkeypatch, 4, 8)
    monkeypatch.setattr(exported_engine, "SHARING", 3)
    told: list[pd.DataFrame] = []
    pieces = score(recording, exported(), step_s=step_s, on_scores=told.append).frame
    assert len(told) > 2
    assert_alike(pieces, whole)
    assert_alike(pd.concat(told), whole)


def test_scores_are_what_the_network_says_of_standardised_windows():
    recording = recording_of(eeg(120, 256), 256)
    frame = score(recording, exported(), step_s=20).frame
    signal = standardise(recording, StandardiseSettings()).signal
    windows = np.stack([signal[:, start : start + 10_000] for start in range(0, 14_001, 4000)])
    assert frame["start_s"].tolist() == [20, 40, 60, 80]
    np.testing.assert_allclose(frame[list(PROBABILITY_COLUMNS)], load_model(exported()).predict(windows), atol=AGREE)
    assert tuple(frame) == COLUMNS


def test_contexts_of_a_stream_are_those_of_the_whole(monkeypatch):
    """Ten minutes around each window, of which some lie beyond the ends, and some are missing."""
    recording = recording_of(damaged(700))
    runs = Loudness(contract(sees_context=True))
    sizes(monkeypatch, ALL_AT_ONCE, ALL_AT_ONCE)
    whole = score(recording, runs, step_s=50).frame
    sizes(monkeypatch, 4, 4)
    pieces = score(recording, runs, step_s=50).frame
    np.testing.assert_allclose(pieces["lpd_probability"], whole["lpd_probability"], atol=1e-5)
    assert whole["lpd_probability"].std() > 0.005


def test_what_lies_between_gaps_is_scored_as_a_recording_of_its_own():
    """Times are true; no window straddles a gap; what is too short is left out, and a note says so."""
    samples = eeg(300)
    gaps = (Gap(100.0, 1000.5), Gap(1120.5, 3.0))
    parts = {0.0: slice(0, 20_000), 1123.5: slice(24_000, 60_000)}
    frame = (scores := score(recording_of(samples, gaps=gaps), exported())).frame
    alone = {onset: score(recording_of(samples[:, part]), exported()).frame for onset, part in parts.items()}
    begun = 0
    for onset, expected in alone.items():
        assert_alike(frame.iloc[begun : begun + len(expected)], expected, onset)
        begun += len(expected)
    assert begun == len(frame)
    assert scores.recording.gaps == ((100.0, 1000.5), (1120.5, 3.0))
    assert scores.recording.span_s == 300 + 1003.5
    assert "too short to be scored: 1 run between gaps, 20 s in all" in " ".join(scores.recording.notes)
    for gap in gaps:
        # A window begins 20 s before its centre, and ends 20 s after it.
        inside = (frame["start_s"] - 20 < gap.start_s + gap.duration_s) & (frame["stop_s"] + 20 > gap.start_s)
        assert not inside.any()


@pytest.mark.parametrize("seconds", [10, 23.4, 49.99])
def test_a_recording_shorter_than_a_window_gives_one_for_its_middle(seconds):
    scores = score(recording_of(eeg(seconds)), exported())
    row = scores.frame.iloc[0]
    assert len(scores.frame) == 1
    assert row["start_s"] + 5 == pytest.approx(seconds / 2, abs=0.005)
    assert row["made_up_s"] == pytest.approx(50 - seconds, abs=0.005)
    assert row["reason"] == ""
    assert 0 < row["seizure_probability"] < 1
    assert "of the model's input are filled in" in " ".join(scores.recording.notes)


def test_what_is_too_short_or_too_slow_is_refused_in_words():
    with pytest.raises(ReadError, match=r"made: lasts 9.9 s; needed are 50 s without a gap"):
        score(recording_of(eeg(9.9)), Loudness())
    with pytest.raises(ReadError, match=r"lasts 60 s in 2 runs"):
        score(recording_of(eeg(60), gaps=(Gap(30.0, 5.0),)), Loudness())
    with pytest.raises(ReadError, match="99 Hz is too slow; at least 100 Hz are needed"):
        score(recording_of(eeg(60, 99), 99), Loudness())
    with pytest.raises(ReadError, match="has no samples"):
        score(recording_of(np.zeros((20, 0))), Loudness())
    refusing = contract(standardise=StandardiseSettings(short="refuse"))
    with pytest.raises(ReadError, match="lasts 30 s"):
        score(recording_of(eeg(30)), Loudness(refusing))
    assert len(score(recording_of(eeg(60, 100), 100), Loudness()).frame) == 2


@pytest.mark.parametrize("step_s", [0, 0.25, 0.75, 50.5, -10, np.nan, np.inf])
def test_steps_that_no_frame_can_follow_are_refused(step_s):
    with pytest.raises(RecipeError, match=r"the step is .*; allowed are multiples of 0.5 from 0.5 to 50"):
        score(recording_of(eeg(60)), Loudness(), step_s=step_s)


@pytest.mark.parametrize("value", [np.nan, 0.0, 12.5])
def test_a_recording_of_nothing_gives_reasons_and_no_prediction(value):
    runs = Loudness()
    scores = score(recording_of(np.full((20, 20_000), value)), runs)
    assert len(scores.frame) == 6
    assert scores.frame[list(PROBABILITY_COLUMNS)].isna().all(axis=None)
    assert scores.frame["reason"].str.startswith("only 0% of the EEG is usable: of 19 electrodes 19 ").all()
    assert (scores.frame["usable"] == 0).all()
    assert "6 of 6 windows have no prediction" in " ".join(scores.recording.notes)
    assert scores.events() == []


@pytest.mark.parametrize(("n_flat", "predicted"), [(9, True), (10, False)])
def test_a_window_of_which_more_than_half_the_electrodes_are_off_gets_a_reason(n_flat, predicted):
    samples = eeg(60)
    samples[:n_flat] = 7
    frame = score(recording_of(samples), Loudness()).frame
    assert (frame["flat"] == n_flat).all()
    assert (frame["reason"] == "").all() == predicted
    assert frame["seizure_probability"].notna().all() == predicted


def test_what_mne_read_gives_the_same(tmp_path):
    samples, start = eeg(70, 256), datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    info = mne.create_info([f"EEG {name}-REF" for name in CHANNELS], 256, ["eeg"] * 19 + ["ecg"])
    raw = mne.io.RawArray(samples / 1e6, info, verbose="ERROR")
    raw.set_meas_date(start)
    raw.set_annotations(mne.Annotations([12.0], [3.0], ["spike"]))
    found, expected = score(raw, exported()), score(recording_of(samples, 256), exported())
    assert_alike(found.frame, expected.frame)
    assert found.recording.annotations == ((12.0, 3.0, "spike"),)
    assert found.recording.start == start


def test_a_bipolar_recording_gives_what_its_electrodes_would():
    samples = eeg(70)
    pairs = derivations_of(MONTAGES["double_banana"])
    bipolar = Recording.from_array(montage_matrix(pairs) @ samples, tuple(map(str, pairs)), 200)
    found, expected = score(bipolar, exported()), score(recording_of(samples), exported())
    np.testing.assert_allclose(
        found.frame[list(PROBABILITY_COLUMNS)], expected.frame[list(PROBABILITY_COLUMNS)], atol=AGREE
    )
    assert found.recording.kind == "bipolar"


def test_missing_electrodes_are_refused_or_made_and_then_said():
    names = [name for name in ELECTRODES if name != "T3"]
    made = Recording.from_array(eeg(60)[[CHANNELS.index(name) for name in names]], tuple(names), 200)
    with pytest.raises(ElectrodeError, match="no channel for T3"):
        score(made, exported())
    scores = score(made, exported(), interpolate=1)
    assert scores.recording.interpolated == ("T3",)
    assert "interpolated from other electrodes by spherical splines: T3" in scores.recording.notes
    assert scores.manifest["settings"]["interpolate"] == 1


def test_electrodes_that_are_off_or_noisy_are_masked_with_a_note():
    samples = eeg(150)
    samples[ELECTRODES.index("T3"), : 60 * 200] = 5
    plain = score(recording_of(eeg(150)), exported())
    masked, as_it_is = (score(recording_of(samples), exported(), mask=mask) for mask in (True, False))
    # windows of 50 s that begin at 0, 10, ..., 50 s
    assert masked.recording.notes[-1] == "flat or noisy, and interpolated from the other electrodes: T3 in 6 windows"
    assert not any("interpolated" in note for note in (*plain.recording.notes, *as_it_is.recording.notes))
    assert masked.manifest["settings"]["standardise"]["max_masked"] == 4
    assert as_it_is.manifest["settings"]["standardise"]["max_masked"] == 0
    columns = list(PROBABILITY_COLUMNS)
    np.testing.assert_allclose(masked.frame[columns][8:], plain.frame[columns][8:], atol=AGREE)
    np.testing.assert_allclose(as_it_is.frame[columns][8:], plain.frame[columns][8:], atol=AGREE)
    assert abs(masked.frame[columns][:6] - as_it_is.frame[columns][:6]).max(axis=None) > 0.01
    assert masked.frame[list(FLAWS)].equals(as_it_is.frame[list(FLAWS)])


def test_settings_and_keywords_mean_the_same_and_unknown_ones_are_named():
    made, quality = recording_of(eeg(120)), QualitySettings(min_usable=0.9)
    by_settings = score(made, Loudness(), ScoreSettings(step_s=5, quality=quality))
    by_keywords = score(made, Loudness(), ScoreSettings(step_s=2), step_s=5, quality=quality)
    pd.testing.assert_frame_equal(by_settings.frame, by_keywords.frame)
    assert by_settings.manifest["settings"] == by_keywords.manifest["settings"]
    assert score(made, Loudness(), quality=None).manifest["settings"]["quality"] == QualitySettings().model_dump()
    with pytest.raises(UnknownNameError, match="unknown setting 'stride'; known are: step_s, engine, threads"):
        score(made, Loudness(), stride=5)


def test_unknown_models_and_engines_are_named():
    with pytest.raises(UnknownNameError, match="unknown model 'no such'"):
        score(recording_of(eeg(60)), "no such")
    with pytest.raises(UnknownNameError, match="unknown engine 'abacus'"):
        score(recording_of(eeg(60)), exported(), engine="abacus")
    with pytest.raises(ReadError, match="there is no such file"):
        ictal.score("nowhere.edf", exported())


@dataclass
class Failing:
    """A source of which what lies behind some sample cannot be read."""

    samples: np.ndarray
    after: int
    error: BaseException

    def read(self, start, stop, rows=None):
        if threading.current_thread().name.startswith("reading ahead") and stop > self.after:
            raise self.error
        return self.samples[list(rows), start:stop]


@pytest.mark.parametrize("error", [ReadError("the file has become shorter"), OSError(5, "Input/output error")])
def test_an_error_in_the_middle_comes_as_it_is_and_ends_the_thread(monkeypatch, error):
    sizes(monkeypatch, 4, 4)
    source = Failing(eeg(400), 60_000, error)
    broken = Recording("broken", CHANNELS, 200, 80_000, source)
    told: list[pd.DataFrame] = []
    with pytest.raises(type(error)) as caught:
        score(broken, Loudness(), on_scores=told.append)
    assert caught.value is error
    assert told, "what came before was scored"
    assert not reading()


@pytest.mark.parametrize("error", [KeyboardInterrupt, StrangeError])
@pytest.mark.parametrize("hook", ["progress", "on_scores"])
def test_a_hook_that_raises_ends_the_job_at_once(monkeypatch, error, hook):
    sizes(monkeypatch, 4, 4)
    calls = []

    def stop(*told: object) -> None:
        calls.append(told)
        raise error

    with pytest.raises(error):
        score(recording_of(eeg(600)), Loudness(), **{hook: stop})
    assert len(calls) == 1
    assert not reading()


def test_progress_is_told_in_seconds_and_ends_at_the_whole(monkeypatch):
    sizes(monkeypatch, 4, 4)
    calls: list[tuple[str, float, float]] = []
    score(recording_of(eeg(300), gaps=(Gap(120.0, 50.0),)), Loudness(), progress=lambda *told: calls.append(told))
    done = [call[1] for call in calls]
    assert len(calls) > 3
    assert {call[0] for call in calls} == {"scoring"}
    assert done == sorted(done)
    assert {call[2] for call in calls} == {done[-1]}


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Path:
    """Return an EDF+ with a seizure by the lights of `Loudness`, an annotation, and a start."""
    samples = eeg(400)
    samples[0, 30_000:50_000] *= 30
    made = recording_of(
        samples.clip(-3000, 3000), start=datetime(2021, 5, 6, 7, 8, 9), annotations=(Annotation(33.0, 2.0, "eyes"),)
    )
    path = tmp_path_factory.mktemp("night") / "night.edf"
    write_edf(path, made)
    return path


@pytest.fixture(scope="module")
def scores(night) -> Scores:
    return score(night, Loudness(), mask=False)  # its seizure is in one electrode


def test_scores_come_back_from_their_file_as_they_were(scores, tmp_path):
    scores.write(tmp_path / "a.parquet")
    back = Scores.read(tmp_path / "a.parquet")
    assert back.recording == scores.recording
    assert back.manifest == json.loads(json.dumps(scores.manifest))
    lists = [*SPECTRUM_COLUMNS, "marks"]
    pd.testing.assert_frame_equal(back.frame.drop(columns=lists), scores.frame.drop(columns=lists))
    for name in lists:
        np.testing.assert_array_equal(np.stack(back.frame[name].tolist()), np.stack(scores.frame[name].tolist()))
    assert back.events() == scores.events()


def test_scores_of_one_recording_do_what_they_promise(scores, night, tmp_path):
    (event,) = [event for event in scores.events() if event.pattern == "seizure"]
    assert 120 < event.start_s < 170
    assert 230 < event.stop_s < 280
    assert len(scores.burden("1h")) >= 1
    copy = scores.to_frame()
    copy["usable"] = -1.0
    assert (scores.frame["usable"] >= 0).all()
    table = pd.read_csv(next(path for path in scores.to_bids(tmp_path) if path.suffix == ".tsv"), sep="\t")
    assert table.loc[table["eventType"] == "sz", "onset"].tolist() == [event.start_s]
    (path,) = scores.to_edf(tmp_path)
    annotated = edfio.read_edf(path)
    texts = {note.text.split(",")[0]: note.onset for note in annotated.annotations}
    assert texts["eyes"] == 33.0
    assert texts["ictal: Seizure"] == pytest.approx(event.start_s)
    np.testing.assert_array_equal(annotated.signals[4].digital, edfio.read_edf(night).signals[4].digital)
    assert len(ictal.plot_scores(scores).axes) > 2


def test_events_become_annotations_that_mne_puts_where_they_are(scores, night):
    events = scores.events()
    raw = mne.io.read_raw_edf(night, verbose="error")
    made = scores.to_annotations()
    np.testing.assert_allclose(made.onset, [event.start_s for event in events])
    np.testing.assert_allclose(made.duration, [event.duration_s for event in events])
    assert made.orig_time == raw.info["meas_date"]
    raw.set_annotations(made)
    patterns = [text.split(",")[0] for text in raw.annotations.description]
    assert patterns == [f"ictal: {PATTERN_TITLES[event.pattern]}" for event in events]
    (inside,) = [raw.copy().crop(event.start_s, event.stop_s) for event in events if event.pattern == "seizure"][:1]
    assert inside.annotations.onset[0] == pytest.approx(events[0].start_s)
    undated = replace(scores, recording=scores.recording.model_copy(update={"start": None}))
    assert undated.to_annotations().orig_time is None


def test_a_notebook_shows_scores_and_events_as_tables_without_scripts(scores):
    odd = replace(scores, recording=scores.recording.model_copy(update={"name": "<a&b>.edf"}))
    page, events = odd._repr_html_(), scores.events()
    assert "&lt;a&amp;b&gt;.edf" in page
    assert f"{len(scores.frame)} windows" in page
    row = re.search(r"<tr>\s*<td>Seizure</td>.*?</tr>", page, re.DOTALL)[0]
    cells = re.findall(r"<td>(.*?)</td>", row)
    own = [event.duration_s for event in events if event.pattern == "seizure"]
    assert cells[2:] == [str(len(own)), f"{sum(own):.0f}", f"{max(own):.0f}"]
    shown = events._repr_html_()
    assert shown.count("<tr") == len(events) + 1
    assert f"<td>{events[0].start_s:.1f}</td>" in shown
    assert not any("<script" in text for text in (page, shown))
    assert Events()._repr_html_() == "<p>No events.</p>"
    assert list(events.to_frame()["pattern"]) == [event.pattern for event in events]


def test_scores_of_no_file_have_no_annotated_copy(tmp_path):
    scores = score(recording_of(eeg(60)), Loudness())
    with pytest.raises(IctalError, match="made: there is no such file"):
        scores.to_edf(tmp_path)


def test_the_manifest_says_what_made_the_scores(tmp_path):
    manifest = score(recording_of(eeg(60)), exported(), step_s=5, threads=1).manifest
    json.dumps(manifest, allow_nan=False)
    assert manifest["ictal_version"] == ictal.__version__
    assert manifest["model"]["weights_sha256"] == load_model(exported()).card.weights_sha256
    assert manifest["engine"]["engine"] == "onnxruntime"
    assert manifest["settings"]["step_s"] == 5
    assert manifest["seconds"]["all"] >= manifest["seconds"]["first_scores"] > 0
    assert "Not a medical device" in " ".join(manifest["warnings"])


def test_a_file_of_the_first_version_that_lacks_the_spread_is_read(scores, tmp_path):
    scores.write(tmp_path / "a.parquet")
    rewritten(tmp_path / "a.parquet", pq.read_schema(tmp_path / "a.parquet").metadata, "spread")
    back = Scores.read(tmp_path / "a.parquet").frame
    np.testing.assert_array_equal(back["spread"], scores.frame["spread"])


def rewritten(path: Path, metadata: dict[bytes, bytes] | None, drop: str | None = None) -> Path:
    table = pq.read_table(path)
    table = table.drop_columns([drop]) if drop else table
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: path.unlink(), "cannot be read as Parquet"),
        (lambda path: path.write_bytes(b""), "cannot be read as Parquet"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), "cannot be read as Parquet"),
        (lambda path: rewritten(path, None), "not scores that 'ictal score' wrote"),
        (lambda path: rewritten(path, {b"ictal": b"{"}), "not scores that 'ictal score' wrote"),
        (lambda path: rewritten(path, {b"ictal": b"[]"}), "not scores that 'ictal score' wrote"),
        (lambda path: rewritten(path, {b"ictal": b"\xff"}), "not scores that 'ictal score' wrote"),
        (lambda path: rewritten(path, {b"ictal": b'{"recording": {"name": 1}}'}), "not scores that"),
        (lambda path: rewritten(path, pq.read_schema(path).metadata, "usable"), "lacks the columns usable"),
    ],
)
def test_a_damaged_file_of_scores_is_one_clear_error(scores, tmp_path, harm, words):
    path = tmp_path / "a.parquet"
    scores.write(path)
    harm(path)
    with pytest.raises(TableError, match=words):
        Scores.read(path)


def test_a_file_of_scores_without_its_manifest_is_refused(scores, tmp_path):
    path = tmp_path / "a.parquet"
    scores.write(path)
    kept = json.loads(pq.read_schema(path).metadata[b"ictal"])
    del kept["manifest"]
    rewritten(path, {b"ictal": json.dumps(kept).encode()})
    with pytest.raises(TableError, match="not scores that 'ictal score' wrote"):
        Scores.read(path)


def test_a_part_of_the_frame_without_predictions_joins_the_rest(monkeypatch):
    """Pieces with nothing but NaN lie between others."""
    sizes(monkeypatch, 4, 4)
    samples = eeg(300)
    samples[:, 16_000:44_000] = np.nan
    frame = score(recording_of(samples), Loudness()).frame
    assert frame["seizure_probability"].isna().sum() > 8
    assert frame["seizure_probability"].notna().sum() > 5
    assert frame.dtypes["seizure_probability"] == np.float64
