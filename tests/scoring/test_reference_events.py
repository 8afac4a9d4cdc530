"""Events against a reference: by hand, against timescoring as SzCORE calls it, and the readers of references."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from timescoring.annotations import Annotation
from timescoring.scoring import EventScoring, SampleScoring

from ictal.errors import IctalError, TableError, UnknownNameError
from ictal.scoring.burden import Cover
from ictal.scoring.event_agreement import MatchSettings, shown
from ictal.scoring.event_scoring import evaluate_events, evaluate_files, pool
from ictal.scoring.events import Span
from ictal.scoring.reference_events import TUSZ_SEIZURES, Reference, pattern_of, read_reference, recording_key
from ictal.scoring.scored_recording import RecordingInfo
from ictal.scoring.scores import COLUMNS, Scores
from tests.scoring.test_events import NAN, scores


def seizures(*times) -> list[Span]:
    return [Span(start, stop, "seizure") for start, stop in times]


def reference(*times, duration_s=3600.0) -> Reference:
    return Reference("night", tuple(seizures(*times)), duration_s)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace(" ", "\t") if path.suffix == ".tsv" else text, encoding="utf-8")
    return path


def write_scores(path, values, name, span_s=None):
    frame = scores(values)
    frame = frame.reindex(columns=list(COLUMNS))
    span_s = span_s or float(frame["stop_s"].max() + 20)
    info = RecordingInfo(name=name, start=None, span_s=span_s, rate_hz=200, channels=("C3",), kind="referential")
    Scores(frame, info, {}).write(path)
    return path


def test_a_whole_example_by_hand():
    # The third seizure lasts 700 s and counts as three: 2000-2300, 2300-2600, 2600-2700.
    truth = reference((100, 160), (700, 760), (2000, 2700))
    # Within 30 s before the first; in the first part of the third; two that are 50 s apart and count as one false
    # alarm; and another false alarm.
    found = seizures((80, 95), (2100, 2200), (1000, 1010), (1060, 1070), (3000, 3010))
    made = evaluate_events(found, truth)
    assert (made.events.reference, made.events.hits, made.events.false_alarms) == (5, 2, 2)
    assert made.events.sensitivity == pytest.approx(2 / 5)
    assert made.events.precision == pytest.approx(2 / 4)
    assert made.events.f1 == pytest.approx(2 * 2 / (2 * 2 + 2 + 3))
    assert made.events.false_alarms_per_day == pytest.approx(48)
    assert (made.samples.reference, made.samples.hits, made.samples.false_alarms) == (820, 100, 45)
    assert made.samples.sensitivity == pytest.approx(100 / 820)
    assert made.samples.precision == pytest.approx(100 / 145)
    assert made.samples.false_alarms_per_day == pytest.approx(45 * 24)


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({"before_s": 0}, (1, 0, 1)),
        ({"before_s": 20}, (1, 1, 0)),
        ({"min_overlap": 0.5}, (1, 0, 1)),
        ({"split_s": 30}, (2, 1, 0)),
    ],
)
def test_each_setting_does_what_it_says(settings, counts):
    made = evaluate_events(seizures((80, 90)), reference((100, 160)), settings=MatchSettings(**settings))
    assert (made.events.reference, made.events.hits, made.events.false_alarms) == counts


@pytest.mark.parametrize(("after_s", "hits"), [(60, 1), (50, 0)])
def test_the_time_after_an_event_can_be_set(after_s, hits):
    made = evaluate_events(seizures((215, 225)), reference((100, 160)), settings=MatchSettings(after_s=after_s))
    assert (made.events.hits, made.events.false_alarms) == (hits, 1 - hits)


def test_merging_can_be_set():
    found = seizures((1000, 1010), (1060, 1070))
    assert evaluate_events(found, reference()).events.false_alarms == 1
    assert evaluate_events(found, reference(), settings=MatchSettings(merge_s=50)).events.false_alarms == 2


def whole_seconds(n_seconds):
    """Return disjoint events that start and stop at whole seconds."""
    edges = st.lists(st.integers(0, n_seconds), max_size=12, unique=True).map(sorted)
    return edges.map(lambda times: list(zip(times[::2], times[1::2], strict=False)))


@given(whole_seconds(4000), whole_seconds(4000))
def test_whole_seconds_give_what_szcore_computes(truth, found):
    # As in esl-epfl/szcore-evaluation: masks of one sample per second.
    masks = []
    for times in (truth, found):
        mask = np.zeros(4000, dtype=bool)
        for start, stop in times:
            mask[start:stop] = True
        masks.append(Annotation(mask, 1))
    made = evaluate_events(seizures(*found), reference(*truth, duration_s=4000.0))
    for ours, theirs in ((made.events, EventScoring(*masks)), (made.samples, SampleScoring(*masks))):
        assert (ours.reference, ours.hits, ours.false_alarms) == (theirs.refTrue, theirs.tp, theirs.fp)
        values = [ours.sensitivity, ours.precision, ours.f1, ours.false_alarms_per_day]
        assert [NAN if value is None else value for value in values] == pytest.approx(
            [theirs.sensitivity, theirs.precision, theirs.f1, theirs.fpRate], nan_ok=True
        )


def test_the_rounding_of_floats_makes_no_events():
    # 600.2 - 300.2 is a little more than 300, and 128.2 - 38.2 a little less than 90.
    assert evaluate_events([], reference((0.2, 600.2))).events.reference == 2
    assert evaluate_events([], reference((10, 38.2), (128.2, 140))).events.reference == 2


def test_what_cannot_be_divided_is_none_and_shown_as_a_dash():
    nothing = evaluate_events([], reference())
    assert (nothing.events.sensitivity, nothing.events.precision, nothing.events.f1) == (None, None, None)
    assert nothing.events.false_alarms_per_day == 0
    alarm = evaluate_events(seizures((10, 20)), reference())
    assert (alarm.events.sensitivity, alarm.events.precision) == (None, 0)
    assert (shown(alarm.events.sensitivity), shown(alarm.events.precision)) == ("–", "0.00")
    assert json.loads(json.dumps(pool([nothing]).to_json(), allow_nan=False))["events"]["f1"] is None


def test_only_the_pattern_that_is_asked_for_counts():
    truth = Reference("night", (Span(100, 160, "lpd"), Span(700, 760, "seizure")), 3600.0)
    made = evaluate_events([Span(100, 160, "lpd"), Span(2000, 2010, "gpd")], truth, pattern="lpd")
    assert (made.events.reference, made.events.hits, made.events.false_alarms) == (1, 1, 0)


def test_reference_time_without_a_prediction_is_told():
    scored = Cover.of([20, 200], [120, 400])
    made = evaluate_events([], reference((10, 40), (110, 210)), scored=scored)
    assert made.unscored_reference_s == pytest.approx(10 + 80)


def test_recordings_together_are_the_sum_of_their_counts():
    one = evaluate_events(seizures((100, 160)), reference((100, 160)))
    other = evaluate_events(seizures((10, 20)), reference((300, 360), (600, 660), duration_s=7200.0))
    both = pool([one, other])
    assert (both.events.reference, both.events.hits, both.events.false_alarms) == (3, 1, 1)
    assert both.events.sensitivity == pytest.approx(1 / 3)
    assert both.events.false_alarms_per_day == pytest.approx(1 / 3 * 24)
    assert both.duration_s == 10800
    assert both.unscored_reference_s is None


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("/data/night.edf", "night"), ("night_scores.parquet", "night"), ("night", "night"), ("night.2", "night.2"),
        ("sub-1_task-rest_eeg.edf", "sub-1_task-rest"), ("sub-1_task-rest_events.tsv", "sub-1_task-rest"),
        ("chb02_16+_QK_seizure.edf", "chb02_16+_QK_seizure"), ("D:\\eeg\\a.b.EDF", "a.b"), ("x_raw.fif.gz", "x_raw"),
    ],
)  # fmt: skip
def test_a_recording_is_called_the_same_in_scores_and_references(name, key):
    assert recording_key(name) == key


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("sz", "seizure"), ("sz_foc_ia", "seizure"), ("Seizure", "seizure"), ("LPD", "lpd"), ("grda", "grda"),
        ("bckg", None), ("other", None), ("szechuan", None), ("", None),
        # SzCORE's tree of HED-SCORE, with case and blanks as people write them.
        ("sz_foc_a_nm_automatisms", "seizure"), ("SZ_GEN", "seizure"), (" Sz ", "seizure"), ("Seizures", "seizure"),
        # TUSZ, and TUEV's names for periodic discharges.
        *((name, "seizure") for name in (*TUSZ_SEIZURES, *map(str.upper, TUSZ_SEIZURES))),
        ("pled", "lpd"), ("GPED", "gpd"), ("LPDs", "lpd"), ("eyem", None), ("no  seizure", None),
        ("fnsz", "seizure"), ("mysz", "seizure"), ("non-seizure", None), ("seizure-free", None), ("xfnsz", None),
    ],
)  # fmt: skip
def test_types_of_events(text, pattern):
    assert pattern_of(text) == pattern


def test_events_of_szcore(tmp_path):
    path = write(
        tmp_path / "sub-1_events.tsv",
        "onset duration eventType confidence channels dateTime recordingDuration\n"
        "10 20 sz_foc_ia n/a n/a n/a 3600\n25 15 sz n/a n/a n/a 3600\n90 10 artifact n/a n/a n/a 3600\n",
    )
    made = read_reference(path)
    events = tuple(seizures((10, 40)))
    assert made == Reference(str(path), events, 3600, n_merged=1, n_ignored=1, ignored_types=("artifact",))
    assert made.n_given == 3


def test_our_own_events_keep_their_patterns(tmp_path):
    # eventType knows seizures alone; the pattern stands in trial_type.
    lines = "onset duration eventType trial_type\n10 20 sz seizure\n15 20 bckg lpd\n"
    made = read_reference(write(tmp_path / "night_events.tsv", lines))
    assert made.events == (Span(10, 30, "seizure"), Span(15, 35, "lpd"))
    assert (made.duration_s, made.n_ignored) == (None, 0)


def test_columns_and_types_in_any_case_and_with_blanks(tmp_path):
    path = tmp_path / "a_events.tsv"
    path.write_text("Onset\t duration \tEVENTTYPE\n10\t20\t FNSZ \n40\t5\tbckg \n", encoding="utf-8")
    made = read_reference(path)
    assert (made.events, made.n_ignored) == (tuple(seizures((10, 30))), 0)
    path.write_text("Onset\tonset\tduration\teventType\n10\t20\t20\tsz\n", encoding="utf-8")
    with pytest.raises(TableError, match="has the column onset twice"):
        read_reference(path)


def test_what_is_of_an_unknown_type_is_counted_on_both_sides_and_named(tmp_path):
    header = "onset duration eventType recordingDuration\n"
    found = write(tmp_path / "hyp_events.tsv", f"{header}100 50 sz 3600\n300 9 blink 3600\n")
    types = ("fnsz", "artifact", "spsw", "artifact")
    rows = "".join(f"{100 + 500 * row} 40 {name} 3600\n" for row, name in enumerate(types))
    made = evaluate_files(found, write(tmp_path / "ref_events.tsv", header + rows + "0 9 bckg 3600\n"))
    assert (made.events.reference, made.events.hits) == (1, 1)
    assert made.left_out == [
        "3 of 4 events of the reference have unknown types and were left out: artifact, spsw",
        "Of the found events, 1 were left out: their types are unknown",
    ]
    told = made.to_json()
    assert (told["n_given"], told["n_ignored"], told["n_found_ignored"]) == (4, 3, 1)
    assert told["files"][0]["ignored_types"] == ("artifact", "spsw")


def test_a_recording_without_seizures_is_background(tmp_path):
    lines = "onset duration eventType recordingDuration\n0 3600 bckg 3600\n"
    assert read_reference(write(tmp_path / "a_events.tsv", lines)).events == ()


TABLE = "file,seconds,seizure_start_s,seizure_end_s\na.edf,600,30,90\na.edf,600,80,120\nb.edf,,,\nc.edf,200,100,130\n"


def test_a_table_of_many_recordings(tmp_path):
    path = write(tmp_path / "labels.csv", TABLE)
    assert read_reference(path, "/elsewhere/a_eeg.edf") == Reference("a.edf", tuple(seizures((30, 120))), 600, 1)
    assert read_reference(path, "b") == Reference("b.edf", (), None)
    with pytest.raises(TableError, match=r"no reference for 'd.edf'; it names 3 recordings: a, b, c"):
        read_reference(path, "d.edf")
    with pytest.raises(TableError, match="name one of its recordings; it names 3"):
        read_reference(path)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "begin,end\n1,2\n", "has the columns begin, end; needed are onset, duration"),
        ("a.tsv", "onset duration\n1 2\n", "lacks eventType or trial_type; it has onset, duration"),
        ("a.tsv", "onset duration eventType\n-1 2 sz\n", "line 2: onset is '-1'; allowed are seconds from 0"),
        ("a.tsv", "onset duration eventType\n1 -2 sz\n", "line 2: duration is '-2'; allowed are seconds above 0"),
        ("a.tsv", "onset duration eventType\n1 n/a sz\nx 2 sz\n", "2 problems"),
        ("a.tsv", "onset duration eventType\n1 inf sz\n", "duration is 'inf'"),
        ("a.tsv", "onset duration eventType\n1 2 ictal\n", "no event has a known type, but ictal"),
        ("a.tsv", "onset duration eventType recordingDuration\n90 9 sz 80\n", "to 99 s, but the recording lasts"),
        ("a.tsv", "onset duration eventType recordingDuration\n1 2 sz 8\n4 2 sz 9\n", "recordingDuration is 8, 9"),
        ("a.csv", "file,seizure_start_s,seizure_end_s\nx.edf,5,\n", "line 2: seizure_end_s is ''"),
        ("a.csv", "file,seizure_start_s,seizure_end_s\nx.edf,5,3\n", "seizure_end_s is '3'; allowed are"),
        ("a.csv", "file,seizure_start_s,seizure_end_s\n,5,9\n", "line 2: file is empty"),
        ("a.csv", "file,seconds,seizure_start_s,seizure_end_s\nx.edf,60,70,90\n", "x.edf: seizure from 70 to 90 s"),
        ("a.csv", "file,seizure_start_s,seizure_end_s\np/x.edf,5,9\nq/x.edf,5,9\n", "'x' occurs twice: p/x.edf"),
        ("a.csv", "", "cannot be read as a table"),
        ("a.tsv", "onset duration eventType\n1 2 sz more\n", "cannot be read as a table: Length of header"),
        ("a.tsv", "onset duration eventType\n\n-1 2 sz\n", "line 3: onset is '-1'"),
    ],
)  # fmt: skip
def test_a_reference_that_cannot_be_is_refused(tmp_path, name, text, told):
    with pytest.raises(TableError) as caught:
        read_reference(write(tmp_path / name, text), "x.edf")
    assert told in str(caught.value)


@given(st.text('019.-+eE\t\t\t\n\nsz nabckg/"\x00é', max_size=80))
def test_any_text_gives_events_or_an_error_that_names_the_file(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "a_events.tsv"
    path.write_text("onset\tduration\teventType\n1\t2\tsz\n" + content, encoding="utf-8")
    try:
        assert all(event.duration_s > 0 for event in read_reference(path).events)
    except IctalError as error:
        told = str(error)
    else:
        told = str(path)
    assert str(path) in told


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "a_events.tsv"
    path.write_bytes(b"onset\tduration\teventType\n1\t2\t\xff\xfe\n")
    with pytest.raises(TableError, match="cannot be read as a table"):
        read_reference(path)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(TableError, match=r"absent\.tsv"):
        read_reference(tmp_path / "absent.tsv")


@pytest.mark.parametrize(
    ("given_s", "told_s", "told"),
    [
        (None, None, "neither the reference nor the scores give the duration"),
        (0.0, None, "the recording lasts 0 s; allowed are 0.1 s or more"),
        (3600.0, 3000.0, "lasts 3600 s, but the reference says 3000 s"),
        (100.0, None, "seizure from 700 to 760 s, but the recording lasts 100 s"),
    ],
)
def test_durations_that_cannot_be_are_refused(given_s, told_s, told):
    with pytest.raises(TableError, match=told):
        evaluate_events([], reference((700, 760), duration_s=told_s), given_s)


def test_found_events_after_the_recording_are_refused():
    with pytest.raises(TableError, match="found: seizure from 3700 to 3710 s, but the recording lasts 3600 s"):
        evaluate_events(seizures((3700, 3710)), reference())


def test_an_end_that_was_rounded_up_is_cut():
    made = evaluate_events([], reference((0, 100), duration_s=None), 99.5, scored=Cover.of([0], [99.5]))
    assert made.samples.reference == pytest.approx(99.5)
    assert made.unscored_reference_s == 0


def test_one_file_of_scores_against_a_table(tmp_path):
    path = write_scores(tmp_path / "a_scores.parquet", [0.1] * 2 + [0.9] * 4 + [NAN] * 4, "/eeg/a.edf", 600)
    made = evaluate_files(path, write(tmp_path / "labels.csv", TABLE))
    # Scored from 20 to 80 s with an event from 40 to 80 s; the two rows of a.edf make a seizure from 30 to 120 s.
    assert [(file.name, file.duration_s, file.n_merged) for file in made.files] == [("a", 600, 1)]
    assert (made.events.reference, made.events.hits, made.events.false_alarms) == (1, 1, 0)
    assert made.samples.hits == 40
    assert made.unscored_reference_s == 40
    assert (made.without_scores, made.without_reference) == ((), ())


def test_a_folder_of_scores_and_events_against_a_table(tmp_path):
    folder = tmp_path / "scored"
    folder.mkdir()
    write_scores(folder / "a_scores.parquet", [0.1] * 2 + [0.9] * 4, "a.edf", 600)
    # Scores take precedence over the events that came of them.
    write(folder / "a_events.tsv", "onset duration eventType recordingDuration\n0 600 bckg 600\n")
    write(folder / "deep" / "b_events.tsv", "onset duration eventType recordingDuration\n10 10 sz 300\n")
    write_scores(folder / "z_scores.parquet", [0.9] * 4, "z.edf")
    made = evaluate_files(folder, write(tmp_path / "labels.csv", TABLE))
    assert [file.name for file in made.files] == ["a", "b"]
    assert (made.events.reference, made.events.hits, made.events.false_alarms) == (1, 1, 1)
    assert made.duration_s == 900
    assert (made.without_scores, made.without_reference) == (("c",), ("z",))
    plain = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert (plain["n_files"], plain["rate_hz"], plain["settings"]["merge_s"]) == (2, 10, 90)


def test_a_folder_against_a_folder(tmp_path):
    lines = "onset duration trial_type recordingDuration\n100 50 {} 600\n"
    for side, pattern in (("theirs", "LPD"), ("ours", "lpd")):
        write(tmp_path / side / "sub-1" / "eeg" / "sub-1_events.tsv", lines.format(pattern))
    made = evaluate_files(tmp_path / "ours", tmp_path / "theirs", "lpd")
    assert (made.pattern, made.events.sensitivity, made.events.precision) == ("lpd", 1, 1)


def test_names_with_dots_and_endings_pair(tmp_path):
    for side in ("theirs", "ours"):
        for name in ("night.first_events.tsv", "a_eeg_events.tsv"):
            write(tmp_path / side / name, "onset duration eventType recordingDuration\n10 10 sz 90\n")
    assert len(evaluate_files(tmp_path / "ours", tmp_path / "theirs").files) == 2


def test_a_folder_with_one_recording_against_one_file(tmp_path):
    write_scores(tmp_path / "a_scores.parquet", [0.9] * 4, "a.edf", 300)
    lone = write(tmp_path / "expert.tsv", "onset duration eventType\n20 40 sz\n")
    made = evaluate_files(tmp_path, lone)
    assert (made.events.hits, made.without_scores) == (1, ())


def test_one_file_of_events_is_compared_whatever_the_names(tmp_path):
    ours = write(tmp_path / "ours.tsv", "onset duration eventType\n10 10 sz\n")
    theirs = write(tmp_path / "expert.tsv", "onset duration eventType recordingDuration\n10 10 sz 90\n")
    assert evaluate_files(ours, theirs).samples.f1 == 1


def test_scores_without_any_reference_are_refused(tmp_path):
    table = write(tmp_path / "labels.csv", TABLE)
    path = write_scores(tmp_path / "d_scores.parquet", [0.9], "d.edf")
    with pytest.raises(TableError, match="no reference for d; it names 3 recordings"):
        evaluate_files(path, table)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TableError, match="contains neither scores"):
        evaluate_files(tmp_path / "empty", table)
    with pytest.raises(TableError, match=r"contains no file \*_events.tsv"):
        evaluate_files(path, tmp_path / "empty")
    with pytest.raises(UnknownNameError, match="unknown pattern 'other'"):
        evaluate_files(path, table, "other")


def test_one_reference_is_not_taken_for_many_recordings(tmp_path):
    for name in ("a", "b"):
        write_scores(tmp_path / f"{name}_scores.parquet", [0.9], f"{name}.edf")
    lone = write(tmp_path / "labels.tsv", "onset duration eventType\n1 2 sz\n")
    with pytest.raises(TableError, match=r"is for one recording, but .* has 2"):
        evaluate_files(tmp_path, lone)


def test_problems_of_all_recordings_are_in_one_message(tmp_path):
    folder = tmp_path / "scored"
    folder.mkdir()
    write_scores(folder / "a_scores.parquet", [0.9], "a.edf", 500)
    write_scores(folder / "c_scores.parquet", [0.9], "c.edf", 900)
    with pytest.raises(TableError) as caught:
        evaluate_files(folder, write(tmp_path / "labels.csv", TABLE))
    assert "2 problems" in str(caught.value)
    assert "c: the recording lasts 900 s, but the reference says 200 s" in str(caught.value)


def test_the_reference_of_the_real_clips(shared_data):
    path = shared_data / "seizure" / "labels.csv"
    labels = pd.read_csv(path)
    for row in labels.itertuples():
        made = read_reference(path, str(shared_data / "seizure" / row.file))
        assert len(made.events) == int(row.seizure_end_s > 0)
        assert made.duration_s == (None if np.isnan(row.seconds) else row.seconds)
    found = evaluate_events(seizures((0, 10)), read_reference(path, "chb01_26_JR_after"), 101.0)
    assert found.samples.sensitivity == pytest.approx(10 / 41)
