"""What the viewer's server answers: traces, overview, windows, reasons."""

import multiprocessing
import sys
from functools import partial

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal as sp
from sklearn.neighbors import NearestNeighbors

from ictal.core.labels import PATTERNS
from ictal.core.montage import CHAINS, CHANNELS, ELECTRODES
from ictal.core.recording import ArraySource, Gap, Recording
from ictal.errors import IctalError
from ictal.io import open_recording
from ictal.scoring import export
from ictal.scoring.export_contract import read_contract
from ictal.scoring.scores import Scores
from ictal.web import model_process, worker_process
from ictal.web.explainer import Explainer
from ictal.web.jobs import JobStoppedError, JobThread
from ictal.web.library import Item, find_scores
from ictal.web.model_pool import weights_of
from ictal.web.montages import montages_of
from ictal.web.overview import overview
from ictal.web.pyramid import FILTERS, Pyramid
from ictal.web.similar import Neighbours, simulated_neighbours
from ictal.web.traces import Filters, min_max, read_page
from ictal.web.viewer import Viewer
from ictal.web.window_summary import expected_in_words, expected_votes
from ictal.web.worker_process import WorkerProcess
from tests.report.scored import made_up_scores
from tests.scoring.helpers import SHARING, SMALL, eeg, recording_of, save
from tests.web.clients import client_of, wait_for
from tests.web.conftest import SECONDS, unpacked
from tests.web.dying import die_at_the_second_question

DAY = made_up_scores(7200)
EDF_STEP_UV = 0.1
"""The files of these tests are rounded to this; a difference of two electrodes may be off by one step."""


def with_gap(seconds: float = 100, gap_s: float = 30) -> Recording:
    """A recording of two equal parts with a gap between them."""
    samples = eeg(seconds)
    return Recording("gap", CHANNELS, 200.0, samples.shape[1], ArraySource(samples), gaps=(Gap(seconds / 2, gap_s),))


class TestTraces:
    def test_the_double_banana_is_differences_of_electrodes_of_the_file(self, client, base, night):
        answer = client.get(f"{base}/signal", params={"start_s": 100, "stop_s": 105, "montage": "double banana"})
        header, values = unpacked(answer.content)
        raw = mne.io.read_raw_edf(night, preload=True, verbose="ERROR")
        raw.rename_channels(lambda name: name.removeprefix("EEG ").removesuffix("-REF"))
        theirs = raw.get_data(["Fp1", "F7"], 100 * 200, 105 * 200) * 1e6
        assert header["rows"][0] == "Fp1-F7"
        assert header["kind"] == "samples"
        assert header["groups"] == [[0, 4], [4, 8], [8, 12], [12, 16], [16, 18], [18, 19]]
        assert abs(values[0] - (theirs[0] - theirs[1])).max() < EDF_STEP_UV / 10  # both read the same rounded file

    def test_the_average_is_that_of_mne(self):
        recording = recording_of(eeg(20))
        found = read_page(recording, montages_of(recording)["average"], 3, 9, Filters())
        info = mne.create_info(list(ELECTRODES), 200, "eeg")
        raw = mne.io.RawArray(recording.read()[:19], info, verbose="ERROR").set_eeg_reference(
            "average", verbose="ERROR"
        )
        theirs = raw.get_data([name for name in found.montage.names if name != "EKG"], 600, 1800)
        assert found.montage.names[-1] == "EKG"
        assert abs(found.values[:-1] - theirs).max() < 1e-3  # float32 of some hundred µV
        assert np.array_equal(found.values[-1], recording.read()[19, 600:1800])

    @settings(max_examples=15)
    @given(
        start_s=st.floats(20, 60),
        length_s=st.sampled_from([10.0, 15.0, 20.0]),
        low_hz=st.sampled_from([0.5, 1.0, 1.6]),
        high_hz=st.sampled_from([15.0, 35.0, 70.0]),
        notch_hz=st.sampled_from([None, 50.0, 60.0]),
    )
    def test_a_page_is_filtered_as_the_whole_recording_is(self, start_s, length_s, low_hz, high_hz, notch_hz):
        recording = recording_of(eeg(100))
        montage = montages_of(recording)["referential"]
        found = read_page(
            recording,
            montage,
            start_s,
            start_s + length_s,
            Filters(low_hz=low_hz, high_hz=high_hz, notch_hz=notch_hz),
        )
        whole = recording.read()[montage.channels, :].astype(float)
        for kind, hertz in (("highpass", low_hz), ("lowpass", high_hz)):
            whole = sp.filtfilt(*sp.butter(2, hertz, kind, fs=200), whole, axis=1)
        if notch_hz:
            whole = sp.filtfilt(*sp.iirnotch(notch_hz, 30, fs=200), whole, axis=1)
        first = round(start_s * 200)
        theirs = (montage.matrix @ whole)[:, first : first + found.values.shape[1]]
        # The margin is three times the three time constants in which a high-pass of order 2 loses 95 %.
        assert abs(found.values - theirs).max() < 0.02 * theirs.std()

    def test_a_gap_is_not_a_number_and_times_after_it_are_true(self):
        recording = with_gap()
        montage = montages_of(recording)["as recorded"]
        found = read_page(recording, montage, 45, 85, Filters())
        assert np.isnan(found.values[:, 5 * 200 : 35 * 200]).all()
        assert np.array_equal(found.values[:, : 5 * 200], recording.read(45 * 200, 50 * 200))
        assert np.array_equal(found.values[:, 35 * 200 :], recording.read(50 * 200, 55 * 200))

    @pytest.mark.parametrize("name", ["double banana", "transverse", "average", "referential"])
    def test_a_missing_electrode_blanks_its_own_traces_alone(self, name):
        samples = eeg(20)
        samples[CHANNELS.index("T3"), 1000:1200] = np.nan
        recording = recording_of(samples)
        montage = montages_of(recording)[name]
        found = read_page(recording, montage, 0, 20, Filters(low_hz=0.5))
        blank = {row for row, trace in enumerate(found.values) if np.isnan(trace).any()}
        assert blank == {row for row, trace in enumerate(montage.names) if "T3" in trace.split("-")}
        assert np.isnan(found.values[:, 1000:1200]).sum() == np.isnan(found.values).sum()

    def test_a_bipolar_file_is_shown_in_what_can_be_formed_of_it(self):
        names = ("FP1-F7", "F7-T7", "T7-P7", "P7-O1", "FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4", "C4-P4")
        samples = np.random.default_rng(0).normal(0, 20, (len(names), 4000)).astype(np.float32)
        montages = montages_of(Recording.from_array(samples, names, 200))
        assert list(montages) == ["double banana", "as recorded"]
        shown = montages["double banana"]
        assert set(shown.names) == {
            *("Fp1-F7", "F7-T3", "T3-T5", "T5-O1", "Fp1-F3", "F3-C3", "C3-P3", "P3-O1", "Fp2-F4", "F4-C4", "C4-P4")
        }
        got = shown.apply(samples[list(shown.channels)])
        # Potentials of a ring of eight edges share out what does not add up to zero around it; a chain keeps its own.
        assert abs(got[list(shown.names).index("F4-C4")] - samples[names.index("F4-C4")]).max() < 1e-3

    @given(n_samples=st.integers(3, 400), data=st.data())
    def test_thinning_keeps_every_extreme(self, n_samples, data):
        n_points = data.draw(st.integers(1, n_samples))
        values = np.random.default_rng(n_samples).normal(size=(2, n_samples)).astype(np.float32)
        values[1, : n_samples // 3] = np.nan
        low, high = np.moveaxis(min_max(values, n_points), -1, 0)
        parts = np.array_split(np.arange(n_samples), np.arange(n_points)[1:] * n_samples // n_points)
        assert low.shape == (2, n_points)
        for point, part in enumerate(parts):
            known = values[1, part][np.isfinite(values[1, part])]
            assert (low[0, point], high[0, point]) == (values[0, part].min(), values[0, part].max())
            assert np.isnan(low[1, point]) if not len(known) else low[1, point] == known.min()

    def test_a_wide_page_is_thinned_to_its_width(self, client, base):
        header, values = unpacked(client.get(f"{base}/signal?start_s=0&stop_s=60&width=700").content)
        assert (header["kind"], header["n"]) == ("minmax", 700)
        assert (values[..., 0] <= values[..., 1]).all()

    def test_what_cannot_be_shown_is_said(self, client, base):
        assert client.get(f"{base}/signal?start_s=5&stop_s=5").status_code == 400
        answer = client.get(f"{base}/signal?start_s=0&stop_s=5&montage=laplacian")
        assert answer.status_code == 404
        assert "double banana" in answer.json()["detail"]


class TestPyramid:
    def built(self, recording, cache) -> Pyramid:
        pyramid = Pyramid.of("id", recording, montages_of(recording), cache)
        pyramid.build(lambda: None)
        return pyramid

    def test_it_is_what_a_page_would_be(self, tmp_path):
        recording = with_gap(200, 40)
        pyramid = self.built(recording, tmp_path)
        assert pyramid.complete
        found = pyramid.traces("double banana", 0, 240, 240)
        whole = read_page(recording, found.montage, 0, 240, FILTERS)
        theirs = min_max(whole.values, 240)
        assert found.values.shape == (19, 240, 2)
        assert np.array_equal(np.isnan(found.values), np.isnan(theirs))
        inside = np.isfinite(theirs)
        # Half precision rounds to 2^-11; where pieces meet, a filter that has not settled adds a little.
        assert abs(found.values - theirs)[inside].max() < 0.03 * np.nanmax(abs(theirs))
        assert np.median(abs(found.values - theirs)[inside] / np.maximum(abs(theirs[inside]), 1)) < 2**-11

    def test_what_is_not_made_yet_is_blank_and_said(self, tmp_path):
        recording = recording_of(eeg(200))
        pyramid = Pyramid.of("id", recording, montages_of(recording), tmp_path)
        seen = []

        def look() -> None:
            seen.append(pyramid.traces("average", 0, 200, 50))
            if len(seen) == 3:
                raise JobStoppedError

        with pytest.raises(JobStoppedError):
            pyramid.build(look)
        known = [np.isfinite(found.values).all(axis=(0, 2)).sum() * 4 for found in seen]
        assert known == [0, 64, 128]
        assert not any(found.complete for found in seen)
        assert list(tmp_path.iterdir()) == []

    def test_two_that_make_the_same_do_not_meet(self, tmp_path):
        recording = recording_of(eeg(200))
        first, second = (Pyramid.of("id", recording, montages_of(recording), tmp_path) for _ in range(2))
        first.build(lambda: None if second.complete else second.build(lambda: None))
        assert first.complete
        assert [path.name for path in tmp_path.iterdir()] == [first.folder.name]
        one, other = (each.traces("average", 0, 200, 100).values for each in (first, second))
        assert np.array_equal(one, other)

    def test_a_cache_that_cannot_be_written_is_said(self, tmp_path):
        recording = recording_of(eeg(200))
        pyramid = Pyramid.of("id", recording, montages_of(recording), tmp_path / "file")
        (tmp_path / "file").write_text("no folder")
        pyramid.build(lambda: None)
        with pytest.raises(IctalError, match="cannot be kept in the cache"):
            pyramid.traces("average", 0, 200, 100)

    def test_it_is_made_once(self, tmp_path):
        recording = recording_of(eeg(70))
        first = self.built(recording, tmp_path).traces("average", 0, 70, 100)
        again = Pyramid.of("id", recording, montages_of(recording), tmp_path)
        assert again.complete
        assert np.array_equal(first.values, again.traces("average", 0, 70, 100).values, equal_nan=True)
        assert not Pyramid.of("other", recording, montages_of(recording), tmp_path).complete

    def test_a_long_stretch_comes_from_it(self, viewer, client, base):
        wait_for(lambda: unpacked(client.get(f"{base}/signal?start_s=0&stop_s=420&width=300").content)[0]["complete"])
        header, values = unpacked(client.get(f"{base}/signal?start_s=0&stop_s=420&width=300&low_hz=5").content)
        assert header["cuts"] == {"low_hz": 1.0, "high_hz": 35.0, "notch_hz": None}
        assert values.shape[1] <= 300
        assert header["stop_s"] - header["start_s"] == pytest.approx(SECONDS, abs=4)


class TestScores:
    def test_a_recording_without_scores_gets_them_behind_the_page(self, out, night):
        scores = Scores.read(next(out.glob("*_scores.parquet")))
        assert scores.recording.name == str(night)
        assert len(scores.frame) == (SECONDS - 50) // 10 + 1

    def test_rows_appear_as_they_come(self, night, tmp_path):
        scores = made_up_scores(SECONDS)
        item = Item("id", night, open_recording(night), "night")
        assert (len(item.frame), item.events, item.window(100)) == (0, [], None)
        item.add(scores.frame[:10])
        item.add(scores.frame[10:15])
        assert item.frame.equals(scores.frame[:15])
        assert item.window(105) == 8
        item.set_progress("scoring", 150.0, 420.0)
        assert (item.done, item.total) == (150, 420)
        item.finish(scores)
        assert (len(item.frame), item.state, item.done) == (len(scores.frame), "scored", SECONDS)

    def test_a_worker_does_one_job_after_the_other_and_survives_a_bad_one(self, caplog):
        worker, done = JobThread("test"), []
        worker.do(lambda: done.append(1))
        worker.do(lambda: done.append(1 / 0))
        worker.do(lambda: done.append(2))
        wait_for(lambda: done == [1, 2])
        assert "a job in the background failed" in caplog.text
        worker.stop()
        worker.do(lambda: done.append(3))
        with pytest.raises(JobStoppedError):
            worker.check()
        assert done == [1, 2]

    def test_a_model_is_exported_beside_the_server(self, tmp_path, night, monkeypatch):
        monkeypatch.setattr(export, "export_model", None)  # what calls it here fails
        viewer = Viewer(tmp_path / "out", save(tmp_path / "model", "temporal", SHARING))
        item = viewer.show(night)
        wait_for(lambda: item.state in ("scored", "failed"))
        assert item.state == "scored", item.reason
        viewer.stop()

    def test_a_viewer_that_stops_ends_the_export(self, tmp_path, night, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where no test has exported these weights
        viewer = Viewer(tmp_path / "out", save(tmp_path / "model", "temporal", SHARING))
        viewer.show(night)
        wait_for(multiprocessing.active_children)
        viewer.stop()
        wait_for(lambda: not multiprocessing.active_children(), seconds=5)
        assert read_contract(tmp_path / "model") is None

    def test_finished_scores_are_loaded_and_not_made_anew(self, out, night, model):
        viewer = Viewer(out, None)
        item = viewer.show(night)
        assert item.state == "scored"
        assert item.scores.manifest["made"] == Scores.read(next(out.glob("*_scores.parquet"))).manifest["made"]
        viewer.stop()

    def test_scores_of_another_model_are_not_taken_for_those_of_the_one_asked_for(self, out, night, model):
        recording, path = open_recording(night), next(out.glob("*_scores.parquet"))
        assert find_scores(recording, [path], weights_of(model)) is not None
        assert find_scores(recording, [path], "0" * 64) is None
        assert find_scores(recording_of(eeg(60)), [path]) is None

    def test_why_it_failed_is_said_and_the_eeg_still_shown(self, tmp_path, model):
        recording = recording_of(eeg(20))
        short = Recording("short", CHANNELS[:5], 200.0, 4000, ArraySource(recording.read()[:5]))
        viewer = Viewer(tmp_path, model)
        (tmp_path / "short.bin").write_bytes(b"1")
        item = viewer.show(tmp_path / "short.bin", short)
        wait_for(lambda: item.state == "failed")
        client = client_of(viewer)
        told = client.get("/api/recordings").json()[0]
        assert "no channel for" in told["reason"]
        base = f"/api/recordings/{told['id']}"
        assert client.get(f"{base}/signal?start_s=0&stop_s=10").status_code == 200
        assert client.get(f"{base}/overview?start_s=0&stop_s=20").json()["spread"] == [None]
        viewer.stop()

    def test_details(self, client, base):
        told = client.get(base).json()
        assert told["montages"] == ["double banana", "transverse", "average", "referential", "as recorded"]
        assert told["segments"] == [{"start_s": 0, "stop_s": SECONDS}]
        assert [pattern["key"] for pattern in told["patterns"]] == list(PATTERNS)
        assert told["model"]["arm"] == "temporal"
        assert told["patient"] is None

    def test_few_windows_are_columns_of_their_own(self):
        scores = made_up_scores(3600)
        told = overview(scores.frame, 100.0, 200.0, 50)
        rows = scores.frame[(scores.frame["start_s"] >= 100) & (scores.frame["stop_s"] <= 200)]
        assert told["edges"] == [100.0, *rows["stop_s"]]
        assert told["probabilities"]["gpd"] == rows["gpd_probability"].round(4).tolist()
        assert told["spectrum"]["left"][3] == [round(float(row[3]), 1) for row in rows["spectrum_left"]]

    @given(width=st.integers(1, 400), start_s=st.floats(0, 3000), length_s=st.floats(10, 3600))
    def test_columns_keep_the_mean_over_time(self, width, start_s, length_s):
        frame = DAY.frame
        told = overview(frame, start_s, start_s + length_s, width)
        edges, values = np.array(told["edges"]), np.array(told["probabilities"]["other"], dtype=float)
        assert len(values) <= width
        whole = np.array(overview(frame, start_s, start_s + length_s, 1)["probabilities"]["other"], dtype=float)
        known = np.isfinite(values)
        if start_s > 20:  # before the first window's centre a column is known in part
            # Edges and values are rounded, and the columns may be as narrow as 25 ms.
            assert np.average(values[known], weights=np.diff(edges)[known]) == pytest.approx(whole[0], abs=2e-3)

    def test_what_is_not_scored_is_none_with_its_reason(self):
        scores = made_up_scores(3600, gaps=((1000.0, 200.0),), refused=((2000.0, 2200.0),))
        told = overview(scores.frame, 0.0, 3600.0, 36)
        assert told["probabilities"]["seizure"][21] is None
        assert told["spread"][11] is None
        assert told["reasons"] == [
            {"start_s": 2000.0, "stop_s": 2200.0, "text": "only 30% of the EEG is usable: of 19 electrodes 13 flat"}
        ]

    @given(st.lists(st.floats(0.001, 1), min_size=6, max_size=6))
    def test_ten_experts_are_ten_and_near_their_shares(self, weights):
        shares = np.array(weights) / sum(weights)
        votes = expected_votes(dict(zip(PATTERNS, shares, strict=True)))
        assert sum(votes.values()) == 10
        assert all(abs(votes[name] - 10 * share) < 1 for name, share in zip(PATTERNS, shares, strict=True))

    def test_words(self):
        votes = {"seizure": 0, "lpd": 6, "gpd": 0, "lrda": 0, "grda": 1, "other": 3}
        assert expected_in_words(votes) == "Of ten experts, about six LPD, three Other and one GRDA."

    def test_a_window_is_found_by_a_time_of_its_centre(self, client, base):
        told = client.get(f"{base}/window?time_s=100").json()
        assert told["centre"] == [100.0, 110.0]
        assert sum(told["probabilities"].values()) == pytest.approx(1)
        outside = client.get(f"{base}/window?time_s=5")
        assert outside.status_code == 409
        assert "no window's centre contains it" in outside.json()["detail"]


class TestWhy:
    @pytest.mark.parametrize("method", ["gradients", pytest.param("occlusion", marks=pytest.mark.exhaustive)])
    def test_what_speaks_for_a_pattern(self, model, method):
        window = eeg(50)
        told = Explainer(model).why(window, 80.0, "lpd", method)
        assert len(told["derivations"]) == len(told["grid"]) == 18
        seconds = {"gradients": 1, "occlusion": 5}[method]
        assert told["times_s"] == [80 + seconds / 2 + seconds * number for number in range(50 // seconds)]
        assert np.shape(told["grid"]) == (18, 50 // seconds)
        assert np.abs(told["grid"]).max() == 1
        assert np.ptp(told["grid"]) > 1
        assert told["mel"] is None
        blind = told["derivations"].index("Fz-Cz")  # this network looks at long derivations without the midline
        assert told["grid"][blind] == [0] * len(told["times_s"]) or method == "occlusion"

    def test_grad_cam_comes_with_the_image_that_the_network_saw(self, tmp_path):
        explainer = Explainer(save(tmp_path, "spatial", SMALL))
        loud = eeg(50)
        loud[CHANNELS.index("Fp1")] *= 10
        mel = explainer.why(loud, 20.0, "gpd", "gradcam")["mel"]
        shape = (len(mel["frequencies_hz"]), len(mel["times_s"]))
        assert {np.shape(image[chain]) for image in (mel["db"], mel["gradcam"]) for chain in CHAINS} == {shape}
        assert 20 < mel["times_s"][0] < mel["times_s"][-1] < 70
        assert np.mean(mel["db"]["LL"]) > np.mean(mel["db"]["RR"]) + 3  # of its four derivations one is 20 dB louder
        assert np.min(mel["gradcam"]["LL"]) >= 0
        assert np.max(mel["gradcam"]["LL"]) <= 1

    @pytest.mark.exhaustive
    def test_the_process_beside_the_server_answers(self, viewer, client, base, monkeypatch):
        monkeypatch.setattr(model_process, "simulated_neighbours", partial(simulated_neighbours, n_windows=8))
        client.post("/api/raters", json={"name": "Ada"})
        client.post(f"{base}/votes", json={"rater": "Ada", "time_s": 200, "pattern": "gpd"})
        first = client.get(f"{base}/similar?time_s=100").json()
        assert {each["source"] for each in first["windows"]} == {"simulated"}
        assert client.get(f"{base}/progress?question=similar").json() == {"task": "", "done": 0, "total": 0}
        told = client.get(f"{base}/why?time_s=100&pattern=lpd").json()
        assert np.shape(told["grid"]) == (18, 50)
        assert client.get(f"{base}/why?time_s=104&pattern=lpd").json() == told  # the same window
        refused = client.get(f"{base}/why?time_s=100&pattern=lpd&method=gradcam")
        assert (refused.status_code, "EfficientNet" in refused.json()["detail"]) == (400, True)

        def sources() -> set[str]:
            return {each["source"] for each in client.get(f"{base}/similar?time_s=210").json()["windows"]}

        wait_for(lambda: sources() == {"simulated", "voted"})
        similar = client.get(f"{base}/similar?time_s=210").json()["windows"]
        distances = [each["distance"] for each in similar]
        assert distances == sorted(distances)
        assert next(each["votes"]["gpd"] for each in similar if each["source"] == "voted") == 1

    def test_a_process_that_dies_is_an_error_and_begun_anew(self, tmp_path, monkeypatch):
        monkeypatch.setattr(worker_process, "serve_requests", die_at_the_second_question)
        asked = WorkerProcess(tmp_path)
        assert asked.ask("first") == "first"
        for _ in range(2):
            with pytest.raises(IctalError, match="ended unexpectedly"):
                asked.ask("second")
            assert asked.ask("first") == "first"
        asked.stop()

    def test_to_look_at_windows_begins_no_process(self, client, base):
        for time_s in (100, 200, 300):
            assert client.get(f"{base}/window?time_s={time_s}").json()["probabilities"]
        assert multiprocessing.active_children() == []

    def test_a_process_that_nobody_asks_ends_and_is_begun_anew(self, tmp_path, monkeypatch):
        monkeypatch.setattr(worker_process, "serve_requests", die_at_the_second_question)
        asked = WorkerProcess(tmp_path)
        assert asked.ask("first") == "first"
        asked.stop()
        wait_for(lambda: not multiprocessing.active_children())
        assert asked.ask("again") == "again"
        asked.stop()

    def test_a_process_ends_when_nobody_asks_any_more(self, model, monkeypatch):
        monkeypatch.setitem(sys.modules, "triton", sys.modules.get("triton"))
        monkeypatch.setattr(worker_process, "IDLE_S", 0.0)
        monkeypatch.setattr(worker_process.signal, "signal", lambda *_: None)  # it runs in this process here
        ours, theirs = multiprocessing.Pipe()
        worker_process.serve_requests(theirs, model)
        monkeypatch.setattr(worker_process, "IDLE_S", 0.2)
        ours.send(("nothing", ()))  # a window would not fit into a pipe from which nobody reads
        worker_process.serve_requests(theirs, model)
        kind, error = ours.recv()
        assert (kind, "no attribute 'nothing'" in str(error)) == ("error", True)

    def test_a_model_that_is_not_here_is_named(self, out, night, tmp_path):
        scores = Scores.read(next(out.glob("*_scores.parquet")))
        scores.manifest["model"]["weights_sha256"] = "0" * 64
        scores.write(tmp_path / next(out.glob("*_scores.parquet")).name)
        viewer = Viewer(tmp_path)
        item = viewer.show(night)
        client = client_of(viewer)
        answer = client.get(f"/api/recordings/{item.id}/why?time_s=100&pattern=lpd")
        assert answer.status_code == 409
        assert "--model" in answer.json()["detail"]
        assert "--model" in client.get(f"/api/recordings/{item.id}/similar?time_s=100").json()["note"]
        viewer.stop()

    def test_the_nearest_are_those_of_scikit_learn(self):
        rng = np.random.default_rng(1)
        features = rng.normal(0, [1, 10, 100, 0], (50, 4)).astype(np.float32)  # the last says nothing
        votes = rng.dirichlet(np.ones(6), 50)
        neighbours = Neighbours([f"w{number}" for number in range(50)], votes, features)
        asked = rng.normal(0, [1, 10, 100, 1], 4).astype(np.float32)
        found = neighbours.nearest(asked, {}, ("", 0.0))
        scaled = features[:, :3] / features[:, :3].std(axis=0)
        theirs = NearestNeighbors(n_neighbors=6).fit(scaled)
        distances, rows = theirs.kneighbors((asked[:3] / features[:, :3].std(axis=0))[None])
        assert [each["id"] for each in found] == [f"w{row}" for row in rows[0]]
        assert [each["distance"] for each in found] == pytest.approx(distances[0] / np.sqrt(3), abs=1e-3)

    def test_a_window_that_was_voted_on_is_among_them_and_not_among_its_own(self):
        features = np.random.default_rng(2).normal(size=(20, 3)).astype(np.float32)
        neighbours = Neighbours([f"w{number}" for number in range(20)], np.full((20, 6), 1 / 6), features)
        key = ("rec", 105.0)
        neighbours.add(key, features[4] + 1e-3)
        voted = {key: ("night.edf at 105 s", np.array([0, 3, 0, 0, 0, 1.0]))}
        first, second, *_ = neighbours.nearest(features[4] + 1e-3, voted, ("rec", 115.0))
        assert (first["source"], first["id"], first["votes"]["lpd"]) == ("voted", "night.edf at 105 s", 0.75)
        assert second["id"] == "w4"
        assert neighbours.nearest(features[4], voted, key)[0]["id"] == "w4"
