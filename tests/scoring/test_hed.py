"""The HED tags of events, validated by the tools of the HED working group with the schema that ships with them."""

import io
import json
from itertools import product
from pathlib import Path

import pytest

from ictal.core.labels import PATTERNS
from ictal.scoring.event_files import HED_TAGS, HED_VERSION, SIDECAR
from ictal.scoring.scores import Scores
from tests.scoring.findings import findings_of
from tests.scoring.test_writers import frame, scores

hed = pytest.importorskip("hed", reason="hedtools is not installed")


@pytest.fixture(scope="module")
def schema():
    return hed.load_schema_version(HED_VERSION)


@pytest.fixture
def written(monkeypatch, tmp_path) -> tuple[Path, Path]:
    """Return the table and the sidecar of a recording with events of every pattern, measured by `findings_of`."""
    monkeypatch.setattr(Scores, "findings", findings_of)
    every = {pattern: (20 + 100 * i, 60 + 100 * i) for i, pattern in enumerate(PATTERNS)}
    table, sidecar = scores(table=frame(80, every)).to_bids(tmp_path)
    return table, sidecar


def issues(table: str, sidecar: str, schema) -> list[str]:
    """Return what is wrong with a table and its sidecar, warnings too."""
    read = hed.TabularInput(io.StringIO(table), sidecar=hed.Sidecar(io.StringIO(sidecar)))
    return [one["message"] for one in read.validate(schema)]


def test_every_pattern_has_a_tag_that_is_in_the_schema(schema):
    assert set(HED_TAGS) == set(PATTERNS) - {"other"}
    for tag in HED_TAGS.values():
        assert hed.HedString(tag, schema).validate() == []
        assert schema.tags.get(tag.lower()) or hed.HedTag(tag, schema).schema_entry


def test_a_written_table_and_its_sidecar_are_valid(written, schema):
    table, sidecar = (path.read_text() for path in written)
    assert issues(table, sidecar, schema) == []
    read = hed.TabularInput(io.StringIO(table), sidecar=hed.Sidecar(io.StringIO(sidecar)))
    by_row = [{tag.strip() for tag in row.split(",")} for row in read.series_a]
    assert by_row == [
        {"Electroencephalographic-seizure", "Left", "Feature-frequency/3.0 Hz"},
        {"Lateralized-periodic-discharges", "Left", "Feature-frequency/1.235 Hz"},
        {"Generalized-periodic-discharges", "Feature-frequency/1.5 Hz"},
        {"Rhythmic-delta-activity", "Left", "Feature-frequency/2.0 Hz"},
        {"Rhythmic-delta-activity"},
    ]


def test_a_recording_without_events_has_a_valid_row_without_tags(tmp_path, schema):
    table, sidecar = (path.read_text() for path in scores(table=frame(18, {})).to_bids(tmp_path))
    assert issues(table, sidecar, schema) == []


def test_all_levels_together_are_valid(schema):
    head = "onset\tduration\ttrial_type\tside\tfrequency_hz\n"
    rows = [
        f"{number}.0\t1.0\t{pattern}\t{side}\t{frequency}\n"
        for number, (pattern, side, frequency) in enumerate(
            product([*HED_TAGS, "n/a"], ["left", "right", "n/a"], ["n/a", "0.25"])
        )
    ]
    assert issues(head + "".join(rows), json.dumps(SIDECAR), schema) == []


@pytest.mark.parametrize(
    ("column", "tags"),
    [("trial_type", {"lpd": "Lateralised-periodic-discharges"}), ("frequency_hz", "Feature-frequency/# mHg")],
)
def test_a_wrong_tag_is_found(written, schema, column, tags):
    table, sidecar = (path.read_text() for path in written)
    told = json.loads(sidecar)
    told[column]["HED"] = tags
    assert issues(table, json.dumps(told), schema)
