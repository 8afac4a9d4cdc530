import pytest

import ictal
from ictal.errors import ReadError, UnknownNameError, UsageError
from ictal.web import serve
from tests.archive.helpers import edf


@pytest.fixture
def served(monkeypatch):
    """Note what is served in place of serving it."""
    calls = []
    monkeypatch.setattr(
        serve, "serve", lambda viewer, *place, **rest: calls.append((viewer, *place, rest["browser"]))
    )
    return calls


def test_recordings_are_shown_where_the_settings_say_and_unreadable_ones_are_counted(tmp_path, served):
    (tmp_path / "bad.edf").write_text("no EEG")
    files, said = [edf(tmp_path / "good.edf", 70), tmp_path / "bad.edf"], []
    assert ictal.view(files, out=tmp_path / "out", say=said.append, port=8123, browser=False, blind=False) == 1
    ((viewer, *place),) = served
    viewer.stop()
    assert place == ["127.0.0.1", 8123, False]
    assert not viewer.settings.blind
    assert len(list(viewer.library)) == 1
    assert said[0].startswith(f"Error: {tmp_path / 'bad.edf'}")


def test_the_recording_in_a_folder_has_the_scores_of_its_file(tmp_path, served):
    folder = tmp_path / "sub-01"
    folder.mkdir()
    path = edf(folder / "sub-01_task-rest_eeg.edf", 70)
    ictal.score(path).write(tmp_path / "sub-01_task-rest_scores.parquet")
    ictal.view(str(folder), out=tmp_path)
    ((viewer, *_),) = served
    viewer.stop()
    (item,) = viewer.library
    assert (item.path, item.title, item.state) == (path, path.name, "scored")


def test_what_cannot_be_shown_is_refused(tmp_path, served):
    with pytest.raises(UsageError, match="name at least one recording"):
        ictal.view()
    with pytest.raises(UnknownNameError, match="unknown setting 'prot'"):
        ictal.view(upload=True, prot=1)
    with pytest.raises(ReadError, match=r"none\.edf"):
        ictal.view([tmp_path / "none.edf"], out=tmp_path / "out")
    assert served == []
