"""A bed follows a recording while it is written: what it says, how it goes on after a kill, and what can go wrong."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

import ictal
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.errors import RunError, UsageError
from ictal.io import growing
from ictal.live.bed import Bed
from ictal.live.ward import open_ward
from ictal.scoring.events import find_events
from tests.live.helpers import catch_up, waiting
from tests.web.beds import BedRecorder

HOURS = 0.25
MINUTE = 60


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Path:
    """A quarter of an hour with seizures."""
    path = tmp_path_factory.mktemp("night") / "night.edf"
    ictal.simulate(path, hours=HOURS, seed=6)
    return path


@pytest.fixture(scope="module")
def finished(night) -> "ictal.scoring.scores.Scores":
    return ictal.score(night)


@contextmanager
def watched(recorder: BedRecorder, out: Path) -> Iterator[Bed]:
    with open_ward([recorder.path], out) as ward:
        yield ward.beds[recorder.path.stem]


def test_each_window_has_one_row_as_soon_as_its_eeg_is_there(night, finished, tmp_path):
    recorder = BedRecorder(night, tmp_path / "one.edf")
    with watched(recorder, tmp_path / "out") as bed:
        bed.poll()
        assert bed.state == "live" or bed.recording is None
        for second in range(5, recorder.n_records + 5, 5):
            recorder.record(5)
            bed.poll()
            assert not bed.problem
            assert len(bed.journal.rows) == second // 10
        rows, frame = bed.journal.rows, finished.frame
        assert rows["start_s"].tolist() == frame["start_s"].tolist()
        names = list(PROBABILITY_COLUMNS)
        apart = abs(rows[names].to_numpy() - frame[names].to_numpy())
        assert apart.mean() < 0.02
        assert np.quantile(apart, 0.99) < 0.1
        assert (rows["reason"] == frame["reason"]).all()


def test_when_the_recorder_ends_the_file_the_whole_is_scored(night, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "ENDED_S", 0.0)
    recorder = BedRecorder(night, tmp_path / "one.edf")
    with watched(recorder, tmp_path / "out") as bed:
        recorder.record(recorder.n_records)
        catch_up(bed)
        assert not bed.to_be_finished
        recorder.end()
        bed.poll()
        assert bed.to_be_finished
        bed.finish()
        assert (bed.problem, bed.state, bed.to_be_finished) == ("", "ended", False)
        assert np.array_equal(bed.scores.frame["start_s"], finished.frame["start_s"])
        names = list(PROBABILITY_COLUMNS)
        assert abs(bed.scores.frame[names].to_numpy() - finished.frame[names].to_numpy()).max() < 1e-6
        assert all(event.stop_s is not None for event in bed.events)
    assert (tmp_path / "out" / "one" / "one_scores.parquet").is_file()


def test_a_watcher_that_is_started_again_goes_on_after_the_last_row(night, tmp_path):
    recorder = BedRecorder(night, tmp_path / "one.edf")
    once = BedRecorder(night, tmp_path / "two.edf")
    with watched(once, tmp_path / "out") as bed:
        for _ in range(0, once.n_records, 30):
            once.record(30)
            bed.poll()
        expected = bed.journal.rows, bed.events, [alarm.text.partition(":")[2] for alarm in bed.alarms]
    for _ in range(0, recorder.n_records, 30):
        with watched(recorder, tmp_path / "out") as bed:
            before = bed.journal.rows
            recorder.record(30)
            bed.poll()
            rows = bed.journal.rows
            assert rows.iloc[: len(before)].equals(before) or not len(before)
            found = rows, bed.events, [alarm.text.partition(":")[2] for alarm in bed.alarms]
    names = list(PROBABILITY_COLUMNS)
    assert np.array_equal(found[0][names], expected[0][names])
    assert found[1:] == expected[1:]
    assert len(found[1])
    assert len(found[2])


def test_what_was_not_said_before_a_kill_is_said_afterwards(night, tmp_path):
    recorder = BedRecorder(night, tmp_path / "one.edf")
    with watched(recorder, tmp_path / "out") as bed:
        recorder.record(recorder.n_records)
        catch_up(bed)
        events = bed.events
    journal = tmp_path / "out" / "one" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    said = ('"event"', '"alarm"', '"told"')
    journal.write_text("".join(line for line in lines if not any(kind in line[:60] for kind in said)))
    with watched(recorder, tmp_path / "out") as bed:
        bed.poll()
        assert [event.key for event in bed.events] == [event.key for event in events]
        assert bed.alarms


CHILD = """
import sys, threading
from pathlib import Path
from ictal.live.ward import open_ward
with open_ward([sys.argv[1]], Path(sys.argv[2])) as ward:
    ward.run(threading.Event())
"""


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_changed_by_killing_the_watcher(night, tmp_path):
    recorder, chance = BedRecorder(night, tmp_path / "one.edf"), random.Random(1)
    journal, before = tmp_path / "out" / "one" / "journal.jsonl", b""
    while recorder.written < recorder.n_records:
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(recorder.path), str(tmp_path / "out")])
        for _ in range(6):
            recorder.record(15)
            wanted, since = len(before) + chance.randrange(1, 40_000), time.monotonic()
            while child.poll() is None and time.monotonic() - since < 30:
                if (size := journal.stat().st_size if journal.exists() else 0) >= wanted or (
                    size > len(before) and recorder.written == recorder.n_records
                ):
                    break
                time.sleep(chance.uniform(0.001, 0.05))
                if time.monotonic() - since > 3 and size > len(before):
                    break
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        content = journal.read_bytes()
        complete = before[: before.rfind(b"\n") + 1]
        assert content.startswith(complete)
        before = content
    with watched(recorder, tmp_path / "out") as bed:
        catch_up(bed)
        rows = bed.journal.rows
        assert rows["start_s"].tolist() == [10.0 * number for number in range(recorder.n_records // 10)]
        found = {(event.pattern, event.start_s) for event in bed.events}
        assert found == {(event.pattern, event.start_s) for event in find_events(rows)}


def test_a_full_disk_is_a_problem_that_passes(night, tmp_path, monkeypatch):
    recorder = BedRecorder(night, tmp_path / "one.edf")
    with watched(recorder, tmp_path / "out") as bed:
        recorder.record(MINUTE)
        bed.poll()

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            recorder.record(MINUTE)
            bed.poll()
            assert "journal.jsonl: cannot be written: No space left on device" in bed.problem
            assert len(bed.journal.rows) == 6
        bed.poll()
        assert not bed.problem
        assert bed.journal.rows["start_s"].tolist() == [10.0 * number for number in range(12)]


def test_electrodes_that_are_off_give_rows_without_a_prediction(tmp_path):
    made = ictal.simulate(hours=0.1, seed=6)
    samples = made.read()
    samples[:, 100 * 200 : 200 * 200] = 0.0
    whole = tmp_path / "whole.edf"
    from ictal.core.recording import Recording
    from ictal.io.edf.writer import write_edf

    write_edf(whole, Recording.from_array(samples, made.channels, 200.0))
    recorder = BedRecorder(whole, tmp_path / "one.edf")
    with watched(recorder, tmp_path / "out") as bed:
        for _ in range(20):
            recorder.record(10)
            bed.poll()
        assert bed.trends.without_prediction_s == pytest.approx(100, abs=10)
        recorder.record(MINUTE)
        bed.poll()
        assert bed.trends.without_prediction_s == 0


def test_one_process_watches_a_bed(night, tmp_path):
    recorder = BedRecorder(night, tmp_path / "one.edf")
    with (
        watched(recorder, tmp_path / "out"),
        pytest.raises(RunError, match="another process is using this bed"),
        watched(recorder, tmp_path / "out"),
    ):
        pass


def test_the_journal_of_another_recording_is_not_continued(night, tmp_path, caplog):
    recorder = BedRecorder(night, tmp_path / "one.edf")
    recorder.record(MINUTE)
    with watched(recorder, tmp_path / "out") as bed:
        bed.poll()
    content = recorder.path.read_bytes()
    recorder.path.write_bytes(content[:176] + b"05.06.07" + content[184:])
    with watched(recorder, tmp_path / "out") as bed:
        bed.poll()
        assert "belongs to another recording, whose start differs" in bed.problem
        assert "one: " in caplog.text
        assert "belongs to another recording" in caplog.text
        assert (len(bed.recent), bed.events, bed.alarms, bed.state) == (0, [], [], "waiting")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "name at least one"),
        (["a.trc"], "is neither a folder nor a file that can be read while it grows"),
        (["x/a.edf", "y/a.edf"], "bed 'a'"),
    ],
)
def test_sources_that_cannot_be_watched(tmp_path, names, message):
    with pytest.raises(UsageError, match=message), open_ward([tmp_path / name for name in names], tmp_path / "out"):
        pass


def test_a_folder_of_pieces_is_one_bed(night, tmp_path):
    folder, shown = tmp_path / "bed", tmp_path / "shown"
    folder.mkdir()
    recording = ictal.read(night)
    from dataclasses import replace
    from datetime import timedelta

    from ictal.core.recording import ArraySource
    from ictal.io.edf.writer import write_edf

    with open_ward([folder], tmp_path / "out") as ward:
        bed = ward.beds["bed"]
        for number in range(3):
            samples = recording.read(number * 60_000, (number + 1) * 60_000)
            piece = replace(
                recording,
                source=ArraySource(samples),
                n_samples=60_000,
                start=recording.start + timedelta(seconds=300 * number),
                channels=tuple(name.removeprefix("EEG ").removesuffix("-REF") for name in recording.channels),
                annotations=(),
            )
            write_edf(shown / f"part_{number}.edf", piece)
            shutil.move(shown / f"part_{number}.edf", folder)
            bed.poll()
            assert not bed.problem
        assert bed.journal.rows["start_s"].tolist() == [10.0 * number for number in range(90)]


def test_alarms_about_old_eeg_call_nobody(night, tmp_path):
    recorder, called = BedRecorder(night, tmp_path / "one.edf"), []
    recorder.record(800)
    with watched(recorder, tmp_path / "out") as bed:
        bed.act = lambda name, alarm, _: called.append((name, alarm))
        catch_up(bed)
        old = [alarm for alarm in bed.alarms if alarm.late]
        assert [alarm.rule for alarm in old][:1] == ["seizure"]
        assert all(800 - alarm.at_s > 300 for alarm in old)
        assert [alarm for _, alarm in called] == [alarm for alarm in bed.alarms if not alarm.late]
        recorder.record(100)
        catch_up(bed)
        assert len(called) > 0
        assert all(not alarm.late and name == "one" for name, alarm in called)


def no_data(bed: Bed) -> list[str]:
    return [alarm.text for alarm in bed.alarms if alarm.rule == "no data"]


def test_data_that_do_not_arrive_raise_an_alarm_also_if_the_recording_cannot_be_read(night, tmp_path):
    recorder, called = BedRecorder(night, tmp_path / "one.edf"), []
    recorder.record(MINUTE)
    with watched(recorder, tmp_path / "out") as bed:
        bed.poll()
        recorder.path.rename(tmp_path / "gone.dat")
        (tmp_path / "gone.dat").unlink()
        bed.poll()
        assert "was removed" in bed.problem
        assert not no_data(bed)
        bed._data_at -= 30
        bed.act = lambda name, alarm, _: called.append(alarm.rule)
        bed.poll()
        assert len(no_data(bed)) == 1
        assert called[-1] == "no data"
        bed.poll()
        assert len(no_data(bed)) == 1
    with watched(recorder, tmp_path / "other") as bed:  # nobody has seen a recording: none is missed
        bed._data_at -= 30
        bed.poll()
        assert (bed.state, bed.alarms) == ("waiting", [])


def test_a_watcher_that_is_started_again_misses_the_recording(night, tmp_path):
    recorder = BedRecorder(night, tmp_path / "one.edf")
    recorder.record(MINUTE)
    with watched(recorder, tmp_path / "out") as bed:
        bed.poll()
    recorder.path.unlink()
    with watched(recorder, tmp_path / "out") as bed:
        bed._data_at -= 30
        bed.poll()
        assert no_data(bed) == ["one: no data for 30 s, scored until 00:01:00"]


def test_a_bed_without_a_row_misses_data_too(night, tmp_path):
    recorder = BedRecorder(night, tmp_path / "one.edf")
    recorder.record(5)
    with watched(recorder, tmp_path / "out") as bed:
        bed.poll()
        bed._data_at -= 30
        bed.poll()
        assert no_data(bed) == ["one: no data for 30 s, nothing scored yet"]


def test_a_file_that_is_only_touched_has_no_new_data(night, tmp_path):
    recorder = BedRecorder(night, tmp_path / "one.edf")
    recorder.record(MINUTE)
    with watched(recorder, tmp_path / "out") as bed:
        bed.poll()
        bed._data_at -= 30
        os.utime(recorder.path, (1, 1))
        bed.poll()
        assert bed.state == "stale"
        recorder.record(1)
        bed.poll()
        assert bed.state == "live"


def test_a_watcher_that_catches_up_raises_the_alarms_that_it_would_have_raised(night, tmp_path):
    slow, late = BedRecorder(night, tmp_path / "one.edf"), BedRecorder(night, tmp_path / "late" / "one.edf")
    with watched(slow, tmp_path / "out") as bed:
        for _ in range(0, slow.n_records, 10):
            slow.record(10)
            bed.poll()
        expected = [(alarm.rule, alarm.at_s, alarm.text) for alarm in bed.alarms]
    late.record(late.n_records)
    with watched(late, tmp_path / "out2") as bed:
        catch_up(bed)
        found = [(alarm.rule, alarm.at_s, alarm.text) for alarm in bed.alarms if alarm.late]
    assert len(found) > 2
    # What still lasts then is told again, which moves the alarms after that.
    assert found == [one for one in expected if one[1] < late.n_records - 300]


def test_a_recording_that_goes_on_after_its_end_prolongs_its_events(night, tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "ENDED_S", 0.0)
    monkeypatch.setattr(growing, "MORE_S", 0.0)
    recorder = BedRecorder(night, tmp_path / "one.edf")
    with watched(recorder, tmp_path / "out") as bed:
        starts = set[tuple[str, float]]()
        for stop_s in range(50, recorder.n_records, 50):
            recorder.record(50)
            recorder.end()
            catch_up(bed)
            if bed.to_be_finished:
                bed.finish()
            assert starts <= {event.key for event in bed.events}, stop_s
            starts = {event.key for event in bed.events}
        found = find_events(bed.journal.rows)
        assert [(event.pattern, event.start_s, event.stop_s) for event in bed.events if event.stop_s] == [
            (event.pattern, event.start_s, event.stop_s) for event in found
        ]
        expected = bed.events
    with watched(recorder, tmp_path / "out") as bed:
        bed.poll()
        assert bed.events == expected


def test_a_final_scoring_that_failed_is_tried_again(night, tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "ENDED_S", 0.0)
    recorder = BedRecorder(night, tmp_path / "one.edf")
    recorder.record(MINUTE)
    recorder.end()
    with watched(recorder, tmp_path / "out") as bed:
        catch_up(bed)
        in_the_way = tmp_path / "out" / "one" / "one_scores.parquet"
        in_the_way.mkdir()
        bed.finish()
        assert "one_scores.parquet" in bed.problem
        assert (bed.state, bed.to_be_finished) == ("live", False)
        in_the_way.rmdir()
        bed._failed_at -= 300
        assert bed.to_be_finished
        bed.finish()
        assert (bed.state, bed.problem, bed.to_be_finished) == ("ended", "", False)


def test_a_bed_is_watched_while_its_recording_is_scored_as_a_whole(night, tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "ENDED_S", 0.0)
    recorder = BedRecorder(night, tmp_path / "one.edf")
    recorder.record(MINUTE)
    recorder.end()
    begun, go_on, stop = Event(), Event(), Event()
    with open_ward([recorder.path], tmp_path / "out") as ward:
        bed = ward.beds["one"]

        def finish() -> None:
            begun.set()
            assert go_on.wait(60)

        monkeypatch.setattr(bed, "finish", finish)
        watching = Thread(target=ward.run, args=(stop,))
        watching.start()
        try:
            assert begun.wait(60)
            recorder.record(MINUTE)
            waiting(lambda: len(bed.journal.rows) == 12, "row while the recording is scored as a whole")
        finally:
            go_on.set()
            stop.set()
            watching.join()


def test_no_data_are_missed_when_the_recorder_has_closed_its_file(night, tmp_path):
    recorder = BedRecorder(night, tmp_path / "one.edf")
    recorder.record(MINUTE)
    recorder.end()
    with watched(recorder, tmp_path / "out") as bed:
        bed.poll()
        bed._data_at -= 60
        bed.poll()
        assert no_data(bed) == []
        recorder.record(MINUTE)  # it goes on after all
        recorder.end()
        bed.poll()
        bed._data_at -= 60
        bed.poll()
        assert len(no_data(bed)) == 1
