"""Raters are told apart as Unicode tells words apart, also in databases of version 0.1, which did so in ASCII."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.errors import IctalError
from ictal.web.votes import FILE, VERSION, Votes, key_of
from tests.web.test_identity import former_votes

SAME = [
    ("Ada", "ADA"),
    ("Ärzte", "ärzte"),
    ("Zoë", normalize("NFD", "ZOË")),
    ("Straße", "STRASSE"),
    ("Ελένη", "ΕΛΈΝΗ"),
    ("Жанна", "жанна"),
    ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"),
]


@pytest.fixture
def votes(tmp_path) -> Votes:
    return Votes(tmp_path / FILE)


@pytest.mark.parametrize(("first", "again"), SAME)
def test_one_rater_by_two_spellings_has_one_vote(votes, first, again):
    votes.add_rater(first)
    votes.add_rater(again)
    assert votes.raters() == [first]
    votes.give("rec", "/a.edf", 5.0, first, "lpd")
    assert votes.give("rec", "/a.edf", 5.0, again, "gpd").rater == first
    assert [(vote.rater, vote.pattern) for vote in votes.all(rater=again)] == [(first, "gpd")]
    assert votes.take_back("rec", 5.0, again)


@pytest.mark.parametrize(("one", "other"), [("Ada", "Adá"), ("Ärzte", "Arzte"), ("Li", "Lí"), ("1", "¹")])
def test_two_raters_are_two(votes, one, other):
    for name, pattern in ((one, "lpd"), (other, "gpd")):
        votes.add_rater(name)
        votes.give("rec", "/a.edf", 5.0, name, pattern)
    assert [[vote.pattern for vote in votes.all(rater=name)] for name in (one, other)] == [["lpd"], ["gpd"]]


@given(st.text(max_size=20))
def test_neither_case_nor_form_changes_a_key(name):
    assert key_of(key_of(name)) == key_of(name)
    assert key_of(normalize("NFD", name)) == key_of(normalize("NFC", name)) == key_of(name)


def test_the_server_says_by_which_name_somebody_is_known(client, base):
    assert client.post("/api/raters", json={"name": "Ärzte"}).json() == {"name": "Ärzte"}
    assert client.post("/api/raters", json={"name": "ärzte"}).json() == {"name": "Ärzte"}
    client.post(f"{base}/votes", json={"rater": "ÄRZTE", "time_s": 105, "pattern": "lpd"})
    assert [vote["rater"] for vote in client.get(f"{base}/votes?rater=ärzte").json()] == ["Ärzte"]
    assert not client.get(f"{base}/window?time_s=105&rater=ärzte").json()["withheld"]


class TestVersion01:
    def test_its_votes_are_read(self, votes):
        former_votes(votes.path, ("abc", "/a.edf", 5000, "Ada", "lpd"), ("abc", "/a.edf", 15_000, "Zoë", "gpd"))
        assert votes.raters() == ["Ada", "Zoë"]
        assert [(vote.time_s, vote.rater, vote.pattern, vote.file) for vote in votes.all()] == [
            (5.0, "Ada", "lpd", "/a.edf"),
            (15.0, "Zoë", "gpd", "/a.edf"),
        ]
        votes.give("abc", "/a.edf", 5.0, "ADA", "other")
        assert [vote.pattern for vote in votes.all(rater="ada")] == ["other"]

    def test_raters_that_were_two_and_are_one_keep_the_later_vote_and_nothing_is_lost(self, votes):
        former_votes(
            votes.path,
            ("abc", "/a.edf", 5000, "Ärzte", "lpd"),
            ("abc", "/a.edf", 15_000, "ärzte", "gpd"),
            ("abc", "/a.edf", 15_000, "Ärzte", "seizure"),
        )
        with sqlite3.connect(votes.path) as database:
            database.execute("update vote set at = '9' where pattern = 'gpd'")
        database.close()
        assert votes.raters() == ["Ärzte"]
        assert [(vote.time_s, vote.pattern) for vote in votes.all()] == [(5.0, "lpd"), (15.0, "gpd")]
        with sqlite3.connect(votes.path) as database:
            assert database.execute("select count(*) from vote_0").fetchone() == (3,)
        database.close()

    def test_two_viewers_that_open_it_at_once(self, votes):
        former_votes(votes.path, *(("abc", "/a.edf", 1000 * second, "Ada", "lpd") for second in range(200)))
        with ThreadPoolExecutor(8) as pool:
            counts = list(pool.map(lambda _: len(Votes(votes.path).all()), range(8)))
        assert counts == [200] * 8

    def test_what_a_later_version_kept_is_left_alone(self, votes):
        votes.add_rater("Ada")
        with sqlite3.connect(votes.path) as database:
            database.execute(f"pragma user_version = {VERSION + 1}")
        database.close()
        with pytest.raises(IctalError, match="was written by a later version of ictal"):
            votes.raters()
