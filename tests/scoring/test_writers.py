import json
import resource
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import edfio
import mne
import numpy as np
import pandas as pd
import pytest

from ictal.core.labels import PATTERNS
from ictal.core.montage import ELECTRODES
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.errors import IctalError
from ictal.io.edf.writer import write_edf
from ictal.measurement.columns import LISTS, NOT_MEASURED
from ictal.scoring.event_columns import event_in_brief
from ictal.scoring.event_files import TRIAL_TYPES, events_table
from ictal.scoring.events import Event, EventSettings
from ictal.scoring.quality import FLAWS
from ictal.scoring.reference_events import read_reference
from ictal.scoring.scored_recording import RecordingInfo
from ictal.scoring.scores import COLUMNS, Scores
from ictal.scoring.writers import LIST_COLUMNS, WRITERS, summary
from ictal.terminology.findings import EventFinding, Frequency
from ictal.terminology.words import event_sentence, recording_paragraph
from tests.helpers import recording
from tests.scoring.findings import BACKGROUND, EVERYWHERE, TEMPORAL, findings_of

START = datetime(2019, 7, 1, 23, 59, 50, 250_000)
NAMES = {
    "parquet": ["night_scores.parquet"],
    "csv": ["night_scores.csv"],
    "bids": ["night_events.tsv", "night_events.json"],
    "edf": ["night_annotated.edf"],
    "json": ["night_summary.json"],
}
Spans = dict[str, tuple[float, float]]
SPANS: Spans = {"seizure": (30, 60), "lpd": (90, 120), "grda": (120, 180)}
SZCORE = ["onset", "duration", "eventType", "confidence", "channels", "dateTime", "recordingDuration"]
"""The columns of SzCORE, in its order (Dan et al., Epilepsia 2024)."""
OURS = [
    *("frequency_hz", "frequency_low_hz", "frequency_high_hz", "main_term", "side", "regions"),
    *("amplitude_uv", "evolution"),
]
"""The columns of what was measured of an event, after SzCORE's and BIDS's `trial_type`."""


def frame(
    n_rows: int = 18, spans: dict[str, tuple[float, float]] = SPANS, refused: Sequence[int] = ()
) -> pd.DataFrame:
    """Return scores by the step of 10 s from 20 s on: 0.9 for the pattern of a span, 'other' beside them."""
    start = 20 + 10.0 * np.arange(n_rows)
    table = pd.DataFrame({"start_s": start, "stop_s": start + 10})
    table[list(PROBABILITY_COLUMNS)] = [0.02] * 5 + [0.9]
    for pattern, (begin, end) in spans.items():
        inside = (start >= begin) & (start < end)
        table.loc[inside, list(PROBABILITY_COLUMNS)] = 0.02
        table.loc[inside, f"{pattern}_probability"] = 0.9
    table.loc[list(refused), list(PROBABILITY_COLUMNS)] = np.nan
    table["spread"], table["reason"], table["usable"], table["made_up_s"] = 0.25, "", 0.75, 0.0
    table.loc[list(refused), ["spread", "reason"]] = [np.nan, 'only 10 % of the EEG is usable, "flat"']
    table[list(FLAWS)] = 0
    table.loc[:2, "muscle"] = 4
    table["left_right"] = 0.5
    table["spectrum_left"], table["spectrum_right"] = [[float(i) for i in range(40)]] * n_rows, [[1.5] * 40] * n_rows
    table["aeeg_left_low"], table["aeeg_left_high"] = 5.125, 11.0
    table["aeeg_right_low"], table["aeeg_right_high"] = 4.0, np.nan
    table["marks"] = [[0] * 19] * n_rows
    for name, value in NOT_MEASURED.items():
        table[name] = [list(value) if name in LISTS else value] * n_rows
    return table[list(COLUMNS)]


def scores(name: str = "night.edf", table: pd.DataFrame | None = None, **info: object) -> Scores:
    known = {"start": START, "span_s": 240.5, "rate_hz": 200.0, "channels": ("Fp1", "Fp2"), "kind": "referential"}
    manifest = {"version": "0.1.0", "model": "both", "settings": {"rate": 1e-9, "lost": float("nan")}}
    return Scores(frame() if table is None else table, RecordingInfo(name=name, **(known | info)), manifest)


@pytest.fixture
def night(tmp_path) -> Scores:
    """Return scores of a file that exists."""
    path = tmp_path / "data" / "night.edf"
    write_edf(path, replace(recording(240 * 200), start=START))
    return scores(str(path))


@pytest.fixture
def measured(monkeypatch) -> None:
    """Let the events of scores have the numbers of `MEASURED`."""
    monkeypatch.setattr(Scores, "findings", findings_of)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# All formats


def test_the_table_of_formats_is_what_is_tested():
    assert list(WRITERS) == list(NAMES)


@pytest.mark.parametrize("name", WRITERS)
def test_a_format_makes_its_files_in_a_new_folder_and_the_same_ones_again(name, night, tmp_path):
    out = tmp_path / "new" / "out"
    paths = WRITERS[name](night, out)
    assert [path.name for path in paths] == NAMES[name]
    assert names(out) == sorted(NAMES[name])
    first = [path.read_bytes() for path in paths]
    assert all(first)
    assert WRITERS[name](night, out) == paths  # an old file is replaced
    assert [path.read_bytes() for path in paths] == first


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_cannot_be_is_named(name, night, tmp_path):
    out = Path(night.recording.name) / "out"  # below a file, where root may not write either
    with pytest.raises(IctalError, match=rf"{out}/night_.*: cannot be written: Not a directory"):
        WRITERS[name](night, out)


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_nothing_half_written_and_an_old_file_as_it_was(name, night, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for file in NAMES[name]:
        (out / file).write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(IctalError, match=r"out/night_.*: cannot be written: .*File too large"):
            WRITERS[name](night, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys(NAMES[name], "old")


@pytest.mark.parametrize("name", ["parquet", "csv", "bids", "json"])
@pytest.mark.parametrize(
    "table", [frame(0), frame(18, {}), frame(18, {}, range(18))], ids=["none", "calm", "refused"]
)
def test_scores_without_windows_events_or_predictions_are_written_too(name, table, tmp_path):
    assert all(path.stat().st_size for path in WRITERS[name](scores(table=table), tmp_path))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("night.edf", "night"),
        ("/data/a b.c.EDF", "a b.c"),
        ("sub-01/eeg/sub-01_task-rest_run-2_eeg.vhdr", "sub-01_task-rest_run-2"),
        ("raw.fif.gz", "raw"),
        ("array", "array"),
        ("", "recording"),
    ],
)
def test_files_are_called_after_the_recording(name, expected):
    assert scores(name).recording.stem == expected


# Tables


def test_parquet_is_read_again_as_it_was(night, tmp_path):
    (path,) = WRITERS["parquet"](night, tmp_path)
    read = Scores.read(path)
    assert read.recording == night.recording
    lists = list(LIST_COLUMNS)
    pd.testing.assert_frame_equal(read.frame.drop(columns=lists), night.frame.drop(columns=lists))
    for name in lists:
        np.testing.assert_array_equal(read.frame[name].map(list).tolist(), night.frame[name].tolist())
    assert read.events() == night.events()


def test_csv_has_all_numbers_and_the_clock(tmp_path):
    given = scores(table=frame(refused=[3]))
    (path,) = WRITERS["csv"](given, tmp_path)
    texts = ("reason", "measured")
    read = pd.read_csv(path, keep_default_na=False, na_values={name: [""] for name in COLUMNS if name not in texts})
    plain = [name for name in COLUMNS[2:] if name not in LIST_COLUMNS]
    assert list(read.columns) == ["start_s", "stop_s", "clock_time", *plain]
    expected = given.frame.drop(columns=list(LIST_COLUMNS))
    pd.testing.assert_frame_equal(read.drop(columns="clock_time"), expected, check_exact=True)
    clock = pd.to_datetime(read["clock_time"])
    assert clock.tolist() == [START + timedelta(seconds=second) for second in read["start_s"]]
    assert read["clock_time"][0] == "2019-07-02 00:00:10.250"
    assert path.read_bytes().startswith(b"start_s,stop_s,clock_time,seizure_probability,")


def test_a_start_that_is_not_known_leaves_the_clock_empty_and_a_zone_does_not_move_it(tmp_path):
    (path,) = WRITERS["csv"](scores(start=None), tmp_path)
    assert pd.read_csv(path)["clock_time"].isna().all()
    assert scores(start=START.replace(tzinfo=UTC)).recording.clock_time(9.75) == "2019-07-02 00:00:00.000"


# BIDS and SzCORE


def test_events_have_the_columns_and_words_of_szcore(night, tmp_path):
    path, _ = WRITERS["bids"](night, tmp_path)
    table = pd.read_csv(path, sep="\t", keep_default_na=False, dtype=str)
    assert list(table.columns) == [*SZCORE, "trial_type", *OURS]
    assert table.iloc[0, :8].to_dict() == {
        "onset": "30.0",
        "duration": "30.0",
        "eventType": "sz",
        "confidence": "0.9",
        "channels": "n/a",
        "dateTime": "2019-07-01 23:59:50",
        "recordingDuration": "240.5",
        "trial_type": "seizure",
    }
    assert table["trial_type"].tolist() == ["seizure", "lpd", "grda"]
    assert table["eventType"].tolist() == ["sz", "bckg", "bckg"]
    assert [datetime.strptime(text, "%Y-%m-%d %H:%M:%S") for text in table["dateTime"]] == [
        START.replace(microsecond=0)
    ] * 3
    onsets, durations = table["onset"].astype(float), table["duration"].astype(float)
    assert list(zip(onsets, onsets + durations, strict=True)) == [
        (event.start_s, event.stop_s) for event in night.events()
    ]
    read = read_reference(path)  # what `ictal evaluate-events` reads has all patterns again
    assert [(event.start_s, event.stop_s, event.pattern) for event in read.events] == [
        (event.start_s, event.stop_s, event.pattern) for event in night.events()
    ]
    assert read.duration_s == 240.5


def test_a_recording_without_events_is_one_row_of_background(tmp_path):
    # As SzCORE wants it: its tools take the length of the recording from the first row.
    path, _ = WRITERS["bids"](scores(table=frame(18, {}), start=None), tmp_path)
    (line,) = path.read_text().splitlines()[1:]
    assert line.split("\t") == ["0.0", "240.5", "bckg", "n/a", "n/a", "n/a", "240.5", *["n/a"] * (1 + len(OURS))]


def test_what_was_measured_of_an_event_is_in_its_row(night, measured, tmp_path):
    path, _ = WRITERS["bids"](night, tmp_path)
    table = pd.read_csv(path, sep="\t", keep_default_na=False, dtype=str).set_index("trial_type")
    assert table.loc["lpd", ["channels", *OURS]].tolist() == [
        *("F7,T3,T5", "1.235", "1.0", "1.5", "lateralized", "left", "frontal,temporal", "104.0", "static"),
    ]
    assert set(table.loc["lpd", "channels"].split(",")) <= set(ELECTRODES)
    assert set(table.loc["grda", ["channels", *OURS]]) == {"n/a"}


def test_scores_without_measurements_have_columns_without_values(night, tmp_path):
    path, _ = WRITERS["bids"](night, tmp_path)
    table = pd.read_csv(path, sep="\t")
    assert len(table) == 3
    assert table[["channels", *OURS]].isna().all(axis=None)


def test_the_sidecar_explains_every_column_and_every_level_that_occurs(measured, tmp_path):
    every = {pattern: (20 + 100 * i, 60 + 100 * i) for i, pattern in enumerate(PATTERNS)}
    path, sidecar = WRITERS["bids"](scores(table=frame(80, every)), tmp_path)
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    told = json.loads(sidecar.read_text())
    assert set(told) == {*table.columns, "GeneratedBy"}
    assert all(told[column]["Description"] for column in table)
    for column in ("main_term", "side", "evolution"):
        assert set(table[column]) - {"n/a"} <= set(told[column]["Levels"])
    assert all(told[column]["Units"] for column in OURS if column.endswith(("_hz", "_uv")))
    for column in ("eventType", "trial_type"):
        assert set(table[column]) <= set(told[column]["Levels"])
    assert set(table["trial_type"]) == set(PATTERNS) - {"other"} == set(TRIAL_TYPES) - {"n/a"}


def test_times_of_events_are_kept_to_the_microsecond(monkeypatch):
    given = scores()
    monkeypatch.setattr(
        Scores, "events", lambda self, _=None: [Event(86_400.123456, 86_500.6543217, "gpd", 1.0, 0.123456)]
    )
    row = events_table(given.events(), given.findings().events, given.recording).iloc[0]
    assert (row["onset"], row["duration"], row["confidence"]) == (86_400.123456, 100.530866, 0.1235)


# The annotated copy


def test_the_copy_has_every_event_and_the_samples_of_the_recording(night, tmp_path):
    (path,) = WRITERS["edf"](night, tmp_path)
    expected = [(30.0, 30.0, "ictal: Seizure"), (90.0, 30.0, "ictal: LPD"), (120.0, 60.0, "ictal: GRDA")]
    assert [(note.onset, note.duration, note.text) for note in edfio.read_edf(path).annotations] == expected
    raw, before = (mne.io.read_raw_edf(file, verbose="ERROR") for file in (path, night.recording.name))
    assert raw.annotations.description.tolist() == [text for *_, text in expected]
    np.testing.assert_allclose(raw.annotations.onset, [onset for onset, *_ in expected], atol=1e-6)
    np.testing.assert_array_equal(raw.get_data(), before.get_data())


def test_an_annotation_says_what_is_known_of_an_event_in_ascii(night, measured, tmp_path):
    """EDF+ has no limit on the length of an annotation, but viewers write it beside the traces."""
    (path,) = WRITERS["edf"](night, tmp_path)
    texts = [note.text for note in edfio.read_edf(path).annotations]
    assert texts == [
        "ictal: Seizure, left frontotemporal, 3.0 Hz",
        "ictal: LPD, left frontotemporal, 1.2 Hz",
        "ictal: GRDA",
    ]
    assert night.to_annotations().description.tolist() == texts
    assert all(text.isascii() for text in texts)


@pytest.mark.parametrize(
    ("pattern", "place", "expected"),
    [
        ("gpd", EVERYWHERE, "GPD, 1.5 Hz"),
        ("seizure", EVERYWHERE, "Seizure, generalized, 1.5 Hz"),
        ("lpd", replace(TEMPORAL, regions=("temporal",)), "LPD, left temporal, 1.5 Hz"),
        ("lpd", replace(TEMPORAL, main_term="bilateral independent"), "LPD, bilateral independent, 1.5 Hz"),
        ("lpd", None, "LPD, 1.5 Hz"),
    ],
)
def test_a_place_neither_repeats_nor_contradicts_the_name_of_a_pattern(pattern, place, expected):
    event = EventFinding(pattern, 0, 60, Frequency(1.5, 1, 2, (1, 2)), place, None, None, None, (), 60)
    assert event_in_brief(event) == expected


def test_the_copy_of_a_bdf_is_a_bdf_and_of_another_format_an_edf(tmp_path, caplog):
    samples = recording(240 * 200).read()
    rows = [
        edfio.BdfSignal(row.astype(float), 200, label=f"C{i}", physical_dimension="uV", physical_range=(-500, 500))
        for i, row in enumerate(samples[:3])
    ]
    edfio.Bdf(rows).write(tmp_path / "night.BDF")
    info = mne.create_info(["Fp1", "C3", "EKG"], 200, ["eeg", "eeg", "ecg"])
    mne.io.RawArray(samples[:3] * 1e-6, info, verbose="ERROR").save(tmp_path / "night_eeg.fif", verbose="ERROR")
    for source, made in (("night.BDF", "night_annotated.bdf"), ("night_eeg.fif", "night_annotated.edf")):
        (path,) = WRITERS["edf"](scores(str(tmp_path / source)), tmp_path / "out")
        assert path.name == made
        read = mne.io.read_raw(path, verbose="ERROR")
        assert read.annotations.description.tolist() == ["ictal: Seizure", "ictal: LPD", "ictal: GRDA"]
        np.testing.assert_allclose(read.get_data(), samples[:3] * 1e-6, atol=0.0501e-6)
    # What EDF cannot hold of the FIF file is not lost in silence; the BDF is copied byte by byte.
    unknown = "its start is unknown; EDF needs one, and 1985-01-01 00:00:00 is written"
    assert [record.getMessage() for record in caplog.records] == [f"{path}: {unknown}"]


@pytest.mark.parametrize("suffix", [".rec", ".bdf", ".eeg"])
def test_an_edf_of_another_suffix_is_copied_as_any_edf(suffix, tmp_path):
    """The scale, gaps and every byte of the records stay, since the content counts: PhysioNet calls its EDFs .rec."""
    rows = [
        edfio.EdfSignal(row, 200, label=name, physical_dimension="uV", physical_range=(-6000, 6000))
        for name, row in zip(("Fp1", "C3"), recording(240 * 200).read()[:2].astype(float) * 10, strict=True)
    ]
    edfio.Edf(rows).write(tmp_path / "night.edf")
    (tmp_path / f"night{suffix}").write_bytes((tmp_path / "night.edf").read_bytes())
    copies = []
    for name in ("night.edf", f"night{suffix}"):
        (path,) = WRITERS["edf"](scores(str(tmp_path / name)), tmp_path / name.replace(".", "_"))
        assert path.name == "night_annotated.edf"
        copies.append(path.read_bytes())
    assert copies[0] == copies[1]
    np.testing.assert_array_equal(edfio.read_edf(path).signals[0].digital, rows[0].digital)


def test_without_the_recording_there_is_no_copy(tmp_path):
    with pytest.raises(IctalError, match="array: there is no such file"):
        WRITERS["edf"](scores("array"), tmp_path)
    assert not names(tmp_path)


# The summary


def test_the_summary_counts_what_is_in_the_scores(night, tmp_path):
    (path,) = WRITERS["json"](night, tmp_path)
    told = json.loads(path.read_text())
    assert told == summary(night)
    assert "not a medical device" in told["notice"]
    assert told["recording"]["name"] == night.recording.name
    assert told["manifest"] == night.manifest | {"settings": {"rate": 1e-9, "lost": None}}
    assert told["windows"] == {"all": 18, "refused": 0, "reasons": {}}
    assert told["patterns"]["grda"] | {"mean_probability": 0} == {
        "events": 1,
        "event_s": 60.0,
        "mean_probability": 0,
        "most_in_5_min_s": 60.0,
        "most_in_60_min_s": 60.0,
        "longest": {
            "pattern": "grda",
            "start_s": 120.0,
            "duration_s": 60.0,
            "clock_time": "2019-07-02 00:01:50.250",
            "peak": 0.9,
            "mean": pytest.approx(0.9),
        },
    }
    assert told["patterns"]["grda"]["mean_probability"] == pytest.approx((6 * 0.9 + 12 * 0.02) / 18)
    assert told["patterns"]["gpd"]["longest"] is None
    assert [event["pattern"] for event in told["events"]] == ["seizure", "lpd", "grda"]
    assert [event["frequency"] for event in told["events"]] == [None] * 3, "nothing was measured"
    shares = {row["pattern"]: row["burden"] for row in told["burden_per_hour"]}
    assert shares == pytest.approx({"seizure": 1 / 6, "lpd": 1 / 6, "gpd": 0, "lrda": 0, "grda": 1 / 3})
    assert told["left_right_per_hour"][0]["ratio"] == pytest.approx(0.5)
    assert told["quality"]["mean_usable"] == 0.75
    assert told["quality"]["windows_with"]["muscle"] == 3
    assert told["warnings"] == []


def test_the_summary_holds_what_a_report_says(night, measured):
    told = json.loads(json.dumps(summary(night), allow_nan=False))
    finding = findings_of(night)
    assert list(told["findings"]) == [
        *("paragraph", "background", "absent", "status", "continuum_share", "hours", "patterns")
    ]
    assert told["findings"]["paragraph"] == recording_paragraph(finding)
    assert told["findings"]["background"] == vars(BACKGROUND)
    assert told["findings"]["absent"] == ["gpd", "lrda"]
    assert told["findings"]["status"]["criterion"] == "20 % of an hour"
    assert told["findings"]["continuum_share"] == 0.125
    (hour,) = told["findings"]["hours"]
    assert (hour["start_s"], hour["stop_s"], hour["background"]) == (0, 240.5, vars(BACKGROUND))
    assert hour["shares"] == pytest.approx({"seizure": 1 / 6, "lpd": 1 / 6, "gpd": 0, "lrda": 0, "grda": 1 / 3})
    assert [one["pattern"] for one in told["findings"]["patterns"]] == ["seizure", "lpd", "grda"]
    seizure, lpd, grda = told["events"]
    assert lpd["sentence"] == event_sentence(finding.events[1])
    assert lpd["frequency"] == {"typical": 1.2345678, "low": 1.0, "high": 1.5, "interval": [1.1, 1.3]}
    assert lpd["location"]["electrodes"] == ["F7", "T3", "T5"]
    assert lpd["location"]["involvement"]["T5"] == 0.62
    assert lpd["location"]["involvement"]["Fp2"] is None, "an electrode that is not known"
    assert lpd["shape"] == {"amplitude_uv": 104.0, "sharpness": "sharply contoured", "phases": 3}
    assert lpd["cycles_s"] == pytest.approx([90.5, 90.5 + 1 / 1.2345678])
    assert (seizure["evolution"], lpd["lag_s"], lpd["measured_s"]) == ("evolving", None, 30.0)
    assert {grda[name] for name in ("frequency", "location", "shape", "evolution")} == {None}
    assert grda["cycles_s"] == []


def test_the_summary_warns_of_what_the_file_and_the_model_say_and_counts_what_was_refused():
    given = scores(table=frame(refused=[3, 4]), notes=("it was cut off",))
    given.manifest["warnings"] = ["trained on simulated EEG alone"]
    told = summary(given)
    assert told["warnings"] == ["it was cut off", "trained on simulated EEG alone"]
    assert told["windows"] == {"all": 18, "refused": 2, "reasons": {'only 10 % of the EEG is usable, "flat"': 2}}


def test_nothing_was_scored_and_the_summary_says_so():
    told = summary(scores(table=frame(18, {}, range(18))))
    assert told["patterns"]["seizure"] == {
        "events": 0,
        "event_s": 0,
        "longest": None,
        "most_in_5_min_s": 0,
        "most_in_60_min_s": 0,
        "mean_probability": None,
    }
    assert {row["burden"] for row in told["burden_per_hour"]} <= {None}


def test_findings_are_computed_once_with_the_default_settings(night):
    assert night.findings() is night.findings(EventSettings())
    strict = EventSettings(on=0.99, off=0.98)
    assert night.findings(strict) is not night.findings()
    assert len(night.findings(strict).events) == len(night.events(strict))
