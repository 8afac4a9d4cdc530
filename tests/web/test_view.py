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


def test_what_cannot_be_shown_is_refused(tmp_path, served):
    with pytest.raises(UsageError, match="name at least one recording"):
        ictal.view()
    with pytest.raises(UnknownNameError, match="unknown setting 'prot'"):
        ictal.view(upload=True, prot=1)
    with pytest.raises(ReadError, match=r"none\.edf"):
        ictal.view([tmp_path / "none.edf"], out=tmp_path / "out")
    assert served == []
