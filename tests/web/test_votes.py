"""Votes: kept once per rater and window, blind, exported as a manifest that trains a model, and their agreement."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from ictal.core.labels import PATTERNS, VOTE_COLUMNS
from ictal.data.manifest import read_manifest
from ictal.errors import IctalError, UnknownNameError
from ictal.experiments.ablation import ablate
from ictal.io.edf.writer import write_edf
from ictal.web.panel_agreement import FEWEST, agreement
from ictal.web.settings import ViewerSettings
from ictal.web.viewer import Viewer
from ictal.web.vote_export import manifest_of, patient_of
from ictal.web.votes import Vote, Votes
from tests.conftest import TINY
from tests.scoring.helpers import eeg, recording_of
from tests.web.clients import client_of


@pytest.fixture
def votes(tmp_path) -> Votes:
    kept = Votes(tmp_path / "votes.sqlite")
    kept.add_rater("Ada")
    return kept


class TestVotes:
    def test_a_rater_has_one_vote_per_window(self, votes):
        votes.give("rec", "/a.edf", 105.0, "Ada", "lpd")
        votes.give("rec", "/a.edf", 105.0004, "ADA", "gpd")
        assert [(vote.rater, vote.pattern) for vote in votes.all()] == [("Ada", "gpd")]
        with sqlite3.connect(votes.path) as database, pytest.raises(sqlite3.IntegrityError):
            database.execute("insert into vote values ('rec', '/a.edf', 105000, 'ada', 'lpd', '')")
        database.close()

    def test_who_and_what_is_not_known_is_refused(self, votes):
        with pytest.raises(UnknownNameError, match="'Bob'; known are: Ada"):
            votes.give("rec", "/a.edf", 105.0, "Bob", "lpd")
        with pytest.raises(UnknownNameError, match="unknown pattern 'spike'"):
            votes.give("rec", "/a.edf", 105.0, "Ada", "spike")

    def test_many_at_once(self, votes):
        for name in "bcdefgh":
            votes.add_rater(name)
        jobs = [(name, float(second)) for name in "bcdefgh" for second in range(5, 105, 10)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda job: votes.give("rec", "/a.edf", job[1], job[0], "lpd"), jobs))
        assert sorted((vote.rater, vote.time_s) for vote in Votes(votes.path).all()) == sorted(jobs)

    def test_taken_back(self, votes):
        votes.give("rec", "/a.edf", 105.0, "Ada", "lpd")
        assert votes.take_back("rec", 105.0, "ada")
        assert not votes.take_back("rec", 105.0, "ada")
        assert votes.all() == []

    def test_a_file_that_is_no_database_is_named(self, tmp_path):
        (tmp_path / "votes.sqlite").write_bytes(b"not a database, whatever it is called" * 100)
        with pytest.raises(IctalError, match=r"votes\.sqlite: votes cannot be read or stored"):
            Votes(tmp_path / "votes.sqlite").raters()


class TestBlind:
    def test_the_model_is_heard_after_the_vote_and_not_before(self, client, base):
        assert client.post("/api/raters", json={"name": "Ada"}).status_code == 201
        before = client.get(f"{base}/window?time_s=100&rater=Ada").json()
        assert before["withheld"]
        assert before["probabilities"] is before["expected"] is before["spread"] is None
        assert client.get(f"{base}/why?time_s=100&pattern=lpd&rater=Ada").status_code == 409
        similar = client.get(f"{base}/similar?time_s=100&rater=Ada").json()
        assert (similar["windows"], "Vote first" in similar["note"]) == ([], True)
        assert client.get(f"{base}?rater=Ada").json()["events"] == []
        assert set(client.get(f"{base}/overview?start_s=90&stop_s=150&rater=Ada").json()["spread"]) == {None}
        given = client.post(f"{base}/votes", json={"rater": "Ada", "time_s": 101, "pattern": "lpd"}).json()
        assert given["time_s"] == 105.0  # the middle of the window whose centre holds the time
        after = client.get(f"{base}/window?time_s=100&rater=ada").json()
        assert after["probabilities"]
        assert not after["withheld"]
        known = client.get(f"{base}/overview?start_s=90&stop_s=150&rater=Ada").json()["spread"]
        assert [value is not None for value in known] == [False, True, False, False, False, False]
        assert client.get(f"{base}/window?time_s=110&rater=Ada").json()["withheld"]

    def test_who_only_reads_sees_all(self, client, base):
        assert client.get(f"{base}/window?time_s=100").json()["probabilities"]

    def test_not_blind(self, night, out, model):
        viewer = Viewer(out, model, ViewerSettings(blind=False))
        item = viewer.show(night)
        told = client_of(viewer).get(f"/api/recordings/{item.id}/window?time_s=100&rater=Ada").json()
        assert told["probabilities"]
        viewer.stop()

    def test_votes_of_one_rater_and_of_all(self, client, base):
        for name, pattern in (("Ada", "lpd"), ("Bob", "gpd")):
            client.post("/api/raters", json={"name": name})
            client.post(f"{base}/votes", json={"rater": name, "time_s": 105, "pattern": pattern})
        assert client.get("/api/raters").json() == [{"name": "Ada"}, {"name": "Bob"}]
        assert [vote["pattern"] for vote in client.get(f"{base}/votes?rater=bob").json()] == ["gpd"]
        assert len(client.get(f"{base}/votes").json()) == 2
        assert client.delete(f"{base}/votes?rater=Bob&time_s=101").status_code == 204
        assert client.delete(f"{base}/votes?rater=Bob&time_s=101").status_code == 404
        assert len(client.get(f"{base}/votes").json()) == 1

    @pytest.mark.parametrize("name", ["", " ", "two\nlines", "x" * 61, "\x00"])
    def test_a_name_is_one_line(self, client, name):
        assert client.post("/api/raters", json={"name": name}).status_code == 422
        assert client.post("/api/raters", json={"name": " Zoë O'Neill "}).json() == {"name": "Zoë O'Neill"}

    def test_a_time_that_no_window_holds_takes_no_vote(self, client, base):
        client.post("/api/raters", json={"name": "Ada"})
        assert client.post(f"{base}/votes", json={"rater": "Ada", "time_s": 1, "pattern": "lpd"}).status_code == 409


class TestExport:
    def test_a_row_per_window_with_the_counts_of_its_panel(self):
        def vote(rater: str, time_s: float, pattern: str, file: str = "/a/x.edf", at: str = "1") -> Vote:
            return Vote("rec", file, time_s, rater, pattern, at)

        moved = vote("c", 105.0, "other", "/b/x.edf", "2")
        table = manifest_of([vote("a", 105.0, "lpd"), vote("b", 105.0, "lpd"), moved, vote("a", 5.0, "gpd")])
        assert table["centre_s"].tolist() == [0.0, 100.0]
        assert table["file"].tolist() == ["/b/x.edf"] * 2
        assert table[list(VOTE_COLUMNS)].to_numpy().tolist() == [[0, 0, 1, 0, 0, 0], [0, 2, 0, 0, 0, 1]]

    def test_patients(self):
        from pathlib import Path

        assert patient_of(Path("/x/sub-12_ses-1_task-rest_eeg.edf")) == "sub-12"
        assert patient_of(Path("/x/night.edf.gz")) == "night"

    def test_nothing_is_a_header(self, client):
        answer = client.get("/api/export")
        assert answer.text.splitlines() == ["file,centre_s,patient_id," + ",".join(VOTE_COLUMNS)]
        assert "attachment" in answer.headers["content-disposition"]

    @pytest.mark.exhaustive
    def test_a_hospital_makes_its_own_data_set_and_trains_on_it(self, model, tmp_path):
        viewer = Viewer(tmp_path / "out", model)
        client = client_of(viewer)
        for name in ("Ada", "Bob"):
            client.post("/api/raters", json={"name": name})
        for number in range(9):
            path = tmp_path / f"p{number}.edf"
            write_edf(path, recording_of(eeg(70, seed=number), name=path.name))
            item = viewer.show(path)
            while item.state not in ("scored", "failed"):
                pass
            for time_s in (22, 32):
                for rater, pattern in (("Ada", PATTERNS[number % 6]), ("Bob", "other")):
                    ballot = {"rater": rater, "time_s": time_s, "pattern": pattern}
                    assert client.post(f"/api/recordings/{item.id}/votes", json=ballot).status_code == 200
        manifest = tmp_path / "votes.csv"
        manifest.write_text(client.get("/api/export").text)
        viewer.stop()
        assert len(read_manifest(manifest).labels) == 18
        result = ablate(str(manifest), TINY, arms=["temporal"], out=tmp_path / "run", cache=tmp_path / "cache")
        judged = result.to_frame().set_index("arm")["cv_kl"]
        assert {"temporal"} < {*judged.index}
        assert np.isfinite(judged).all()


class TestAgreement:
    @given(seed=st.integers(0, 1000), n_windows=st.integers(2, 60))
    def test_kappa_is_that_of_scikit_learn(self, seed, n_windows):
        rng = np.random.default_rng(seed)
        said = rng.integers(0, 6, (2, n_windows))
        said[1] = np.where(rng.random(n_windows) < 0.6, said[0], said[1])
        votes = [
            Vote(f"r{row % 3}", "/x", float(row), name, PATTERNS[said[number, row]], "")
            for number, name in enumerate("ab")
            for row in range(n_windows)
        ]
        (pair, *_) = agreement(votes, {})["pairs"]
        theirs = cohen_kappa_score(said[0], said[1], labels=range(6))
        assert (pair["a"], pair["b"], pair["n_windows"]) == ("a", "b", n_windows)
        assert pair["kappa"] is None if np.isnan(theirs) else pair["kappa"] == pytest.approx(theirs)
        assert pair["agreeing"] == pytest.approx((said[0] == said[1]).mean())
        if n_windows < FEWEST:
            assert pair["interval"] is None
        else:
            assert pair["interval"][0] <= pair["kappa"] <= pair["interval"][1] + 1e-9

    def test_the_model_is_put_in_the_place_of_each_rater(self):
        rng = np.random.default_rng(0)
        truth = rng.integers(0, 6, 80)
        said = [np.where(rng.random(80) < share, truth, rng.integers(0, 6, 80)) for share in (0.9, 0.8, 0.2)]
        votes = [
            Vote(f"r{row % 4}", "/x", float(row), name, PATTERNS[labels[row]], "")
            for name, labels in zip("abc", said, strict=True)
            for row in range(80)
        ]
        model = {(f"r{row % 4}", float(row)): np.eye(6)[truth[row]] * 0.5 + 1 / 12 for row in range(80)}
        told = agreement(votes, model)
        assert told["raters"] == {"a": 80, "b": 80, "c": 80}
        panel = told["panel"]
        assert panel["resampled"] == "patients"
        assert panel["difference"]["value"] > 0
        by_name = {row["expert"]: row for row in panel["experts"]}
        assert by_name["c"]["difference"]["value"] > by_name["a"]["difference"]["value"]
        with_model = next(pair for pair in told["pairs"] if (pair["a"], pair["b"]) == ("a", "model"))
        assert with_model["kappa"] == pytest.approx(cohen_kappa_score(said[0], truth))

    def test_few_windows_are_counted_and_not_judged(self, client, base):
        client.post("/api/raters", json={"name": "Ada"})
        client.post(f"{base}/votes", json={"rater": "Ada", "time_s": 105, "pattern": "lpd"})
        told = client.get("/api/agreement").json()
        assert (told["raters"], told["n_windows"], told["panel"]) == ({"Ada": 1}, 1, None)
        assert "20 are needed" in told["note"]

    def test_nobody_voted(self, client):
        told = client.get("/api/agreement").json()
        assert (told["raters"], told["pairs"]) == ({}, [])


def test_columns_of_a_vote_are_those_of_the_table(votes):
    vote = votes.give("rec", "/a.edf", 1.5, "Ada", "lpd")
    assert pd.DataFrame([vote])["time_s"].tolist() == [row.time_s for row in votes.all()]
