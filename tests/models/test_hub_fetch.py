"""Models on the Hub, fetched by the real huggingface_hub from a Hub on this machine."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars

import ictal
from ictal.archive.run_settings import ArchiveSettings, PartitionSettings
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.errors import MissingExtraError, ModelError
from ictal.models import hub_fetch
from ictal.models.checkpoint import load_model
from ictal.models.hub import describe_model, find_model
from ictal.models.hub_fetch import HubName, fetched_folder, hub_name
from ictal.scoring.engines import open_engine
from ictal.scoring.export_contract import read_input
from ictal.web.library import Library
from ictal.web.model_pool import ModelPool
from tests.models.external import Amplitude, contract, save_external
from tests.models.fake_hub import FakeHub, serving
from tests.scoring.helpers import SMALL, eeg, recording_of, save, windows_of

OWN = "ann/own"


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("what was fetched was unpickled",))


@pytest.fixture
def places(tmp_path, monkeypatch) -> Path:
    """Give huggingface_hub and ictal caches of their own."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub_fetch, "user_cache_path", lambda name: tmp_path / "cache" / name)
    disable_progress_bars()
    return tmp_path


def ask(monkeypatch, url: str) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def hub(places, monkeypatch) -> Iterator[FakeHub]:
    """Return a Hub; `close` ends it before the test does."""
    made = FakeHub()
    with ExitStack() as stack:
        stack.enter_context(serving(made))
        made.close = stack.close
        ask(monkeypatch, made.url)
        yield made


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("models") / "mine", "temporal", SMALL)


@pytest.fixture(scope="module")
def external(tmp_path_factory) -> Path:
    return save_external(tmp_path_factory.mktemp("models") / "theirs", Amplitude(), contract())


def kept() -> list[Path]:
    """Return the files that ictal has kept, also those of a download that it has not finished."""
    return [path for path in fetched_folder().rglob("*") if path.is_file()]


def refused(name: str, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        find_model(name)
    assert str(caught.value).startswith(name)
    assert "\n" not in str(caught.value)
    assert kept() == []


def test_names():
    assert HubName.parse("hf://ann/own") == HubName("ann", "own", "main")
    assert HubName.parse(Path("hf://ann/own@v1")) == HubName.parse("hf://ann/own@v1") == HubName("ann", "own", "v1")
    assert str(HubName("ann", "own.2", "refs/pr/1")) == "hf://ann/own.2@refs/pr/1"
    for other in ("default", "models/mine", "hf", "/hf:/ann/own", Path("C:/hf")):
        assert HubName.parse(other) is None
    for wrong in ("hf://", "hf://own", "hf://a/b/c", "hf://a/b@", "hf://a/b@../../c", "hf://../b", "hf://a/b c"):
        with pytest.raises(ModelError, match="allowed are hf://OWNER/NAME and hf://OWNER/NAME@REVISION"):
            find_model(wrong)


@pytest.mark.usefixtures("places")
def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setattr("ictal.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"hf://ann/own@main needs huggingface_hub; .* 'ictal\[hub\]'"):
        find_model("hf://ann/own")


def test_a_model_of_ictal_is_fetched_and_says_where_it_is_from(hub, own):
    commit = hub.upload_folder(OWN, own, **{"model.pt": b"x", "setup.py": b"x", "sub/card.json": b"{}"})
    loaded = ictal.load_model(f"hf://{OWN}")
    expected = load_model(own)
    windows = np.stack([windows_of(2).window(number) for number in range(2)])
    np.testing.assert_array_equal(loaded.predict(windows), expected.predict(windows))
    assert hub.fetched == {"card.json", "model.safetensors"}
    folder = find_model(Path(f"hf://{OWN}"))
    assert {path.name for path in folder.iterdir()} == hub.fetched
    assert hub_name(folder) == f"hf://{OWN}@{commit}"
    told = describe_model(f"hf://{OWN}@{commit}").to_json()
    sha = hashlib.sha256((own / "model.safetensors").read_bytes()).hexdigest()
    assert (told["name"], told["hub"], told["weights_sha256"]) == ("own", f"hf://{OWN}@{commit}", sha)
    assert read_input(folder).hub == f"hf://{OWN}@{commit}"
    assert describe_model(own).to_json()["hub"] is None


def test_a_commit_that_was_fetched_needs_no_network(hub, own):
    commit = hub.upload_folder(OWN, own)
    folder = find_model(f"hf://{OWN}@{commit}")
    hub.close()
    assert find_model(f"hf://{OWN}@{commit}") == folder


def test_an_external_model_scores_as_its_folder_does_and_the_manifest_has_its_commit(hub, external):
    commit = hub.upload_folder("bob/amplitude", external)
    night = recording_of(eeg(60))
    scores, expected = ictal.score(night, "hf://bob/amplitude@main"), ictal.score(night, external)
    columns = list(PROBABILITY_COLUMNS)
    np.testing.assert_array_equal(scores.frame[columns], expected.frame[columns])
    sha = hashlib.sha256((external / "model.onnx").read_bytes()).hexdigest()
    told = scores.manifest["model"]
    assert (told["name"], told["hub"], told["weights_sha256"]) == ("amplitude", f"hf://bob/amplitude@{commit}", sha)
    assert expected.manifest["model"]["hub"] is None


def test_a_branch_is_asked_each_time_and_a_commit_stays(hub, own, external):
    first, second = hub.upload_folder(OWN, own), hub.upload_folder(OWN, external, "next")
    assert hub_name(find_model(f"hf://{OWN}")).endswith(first)
    hub.refs[OWN]["main"] = second
    assert hub_name(find_model(f"hf://{OWN}")).endswith(second)
    assert hub_name(find_model(f"hf://{OWN}@{first}")).endswith(first)


def test_an_archive_is_bound_to_the_commit(hub, external):
    commit = hub.upload_folder("bob/amplitude", external)
    made = PartitionSettings.of(Path("hf://bob/amplitude"), ArchiveSettings())
    assert made.model == f"hf://bob/amplitude@{commit}"
    assert made.name.startswith("amplitude-")
    assert len(made.name) == len("amplitude-01234567")
    made.check(open_engine(find_model(made.model)).contract)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hf://ann/nobody@main", "has no such model, or it is private; .* log in with 'hf auth login'"),
        (f"hf://{OWN}@v9", "has no revision 'v9'; allowed are a branch, a tag or a commit"),
        (f"hf://{OWN}@{'0' * 40}", "has no revision '0000"),
        ("hf://ann/gated@main", "grants access on request: ask for it on http.*/ann/gated, then log in"),
        ("hf://a--b/c@main", "is not a name on the Hub"),
    ],
)
def test_what_the_hub_refuses_is_one_clear_error(hub, own, name, words):
    hub.upload_folder(OWN, own)
    hub.upload_folder("ann/gated", own)
    hub.gated.add("ann/gated")
    refused(name, words)


@pytest.mark.parametrize("offline", [False, True])
def test_without_a_network_what_was_fetched_is_used_with_a_warning(hub, own, monkeypatch, offline):
    commit = hub.upload_folder(OWN, own)
    folder = find_model(f"hf://{OWN}")
    hub.close()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    why = "HF_HUB_OFFLINE is set" if offline else f"{hub.url} cannot be reached"
    with pytest.warns(UserWarning, match=f"{why}; what was fetched earlier is used, commit {commit}"):
        assert find_model(f"hf://{OWN}") == folder
    with pytest.raises(ModelError, match=f"{why} .* this revision was not fetched earlier"):
        find_model(f"hf://{OWN}@v1")


def test_what_huggingface_hub_fetched_by_itself_is_enough(hub, own, places):
    from huggingface_hub import snapshot_download

    commit = hub.upload_folder(OWN, own, **{"model.pt": b"x"})
    snapshot_download(OWN)
    hub.close()
    with pytest.warns(UserWarning, match=commit):
        folder = find_model(f"hf://{OWN}")
    load_model(folder)  # whose files are no links
    assert {path.name for path in folder.iterdir()} == {"card.json", "model.safetensors"}


def test_a_download_that_breaks_off_leaves_nothing_and_can_be_repeated(hub, own):
    hub.upload_folder(OWN, own)
    hub.cut = "model.safetensors"
    refused(f"hf://{OWN}@main", "could not be fetched: .*; what is complete is kept, so trying again continues")
    hub.cut = ""
    load_model(f"hf://{OWN}")


def test_weights_that_are_not_those_of_the_card_are_not_kept(hub, own, external):
    card = json.loads((own / "card.json").read_text()) | {"weights_sha256": "0" * 64}
    hub.upload_folder(OWN, own, **{"card.json": json.dumps(card).encode()})
    refused(f"hf://{OWN}@main", r"@main: model\.safetensors: is not the file that card\.json describes")
    stated = (external / "contract.yaml").read_bytes() + b"weights_sha256: '0'\n"
    hub.upload_folder("bob/amplitude", external, **{"contract.yaml": stated})
    refused("hf://bob/amplitude@main", r"@main: model\.onnx: is not the file that contract\.yaml describes")


def test_a_pickle_in_place_of_tensors_is_not_kept_and_never_opened(hub, own):
    weights = pickle.dumps(Bomb())
    card = json.loads((own / "card.json").read_text()) | {"weights_sha256": hashlib.sha256(weights).hexdigest()}
    hub.upload_folder(OWN, own, **{"model.safetensors": weights, "card.json": json.dumps(card).encode()})
    refused(f"hf://{OWN}@main", r"model\.safetensors: is not a safetensors file")


def test_a_pickle_in_place_of_a_graph_is_never_opened(hub, external):
    hub.upload_folder("bob/amplitude", external, **{"model.onnx": pickle.dumps(Bomb())})
    for way in (load_model, ictal.info, lambda name: ictal.score(recording_of(eeg(60)), name)):
        with pytest.raises(ModelError, match=r"model\.onnx: is not a complete graph in ONNX"):
            way("hf://bob/amplitude") if way is not ictal.info else way(recording_of(eeg(60)), "hf://bob/amplitude")


@pytest.mark.parametrize("names", [["pytorch_model.bin", "config.json"], ["contract.yaml", "model.pt2"], []])
def test_a_repository_of_programs_and_pickles_is_refused_before_anything_is_fetched(hub, names):
    hub.upload(OWN, dict.fromkeys(names, pickle.dumps(Bomb())))
    there = ", ".join(names[:1]) or "no files"
    words = r"which is card\.json with model\.safetensors or contract\.yaml with model\.onnx; nothing else is fetched"
    refused(f"hf://{OWN}@main", f"{words}, and it has .*{there}")
    assert hub.fetched == set()


def test_names_that_lead_elsewhere_are_never_fetched(hub, own, places):
    hub.upload_folder(OWN, own)
    hub.listed = ("../card.json", "../../evil", "/etc/card.json", "sub/../../model.safetensors")
    load_model(f"hf://{OWN}")
    assert hub.fetched == {"card.json", "model.safetensors"}
    assert {path.name for path in kept()} == hub.fetched


def test_scores_of_a_stranger_make_nobody_fetch_their_model(hub, own):
    hub.upload_folder(OWN, own)
    pool = ModelPool(own, Library(), None, None)
    with pytest.raises(Exception, match="was not found; name it with --model"):
        pool._folder_of("0" * 64, f"hf://{OWN}")
    assert hub.asked == []


@pytest.mark.parametrize("up", [True, False])
def test_the_command_line_takes_the_name(hub, external, places, up):
    commit = hub.upload_folder("bob/amplitude", external)
    if not up:
        hub.close()
    own_places = {"HF_ENDPOINT": hub.url, "HF_HOME": str(places / "home"), "XDG_CACHE_HOME": str(places / "xdg")}
    code = "import sys; from ictal.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "models", "show", "hf://bob/amplitude", "--json", "-"],
        env=os.environ | own_places | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if up:
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["hub"] == f"hf://bob/amplitude@{commit}"
        assert f"From hf://bob/amplitude@{commit}" in done.stderr
    else:
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"Error: hf://bob/amplitude@main: {hub.url} cannot be reached (")
