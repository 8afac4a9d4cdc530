"""Which partition a run continues."""

import json
import shutil

import pytest

from ictal.archive.run_settings import ArchiveSettings, PartitionSettings
from ictal.errors import ModelError
from ictal.models.hub import find_model
from ictal.scoring.export_contract import CONTRACT, read_contract
from tests.scoring.helpers import contract

OLD = {"model": "default", "step_s": 10, "engine": "auto", "interpolate": 0}


@pytest.fixture
def reworded(tmp_path, monkeypatch):
    """Replace the models that ship by 'default', with a card that has had two other wordings."""
    model = tmp_path / "default"
    shutil.copytree(find_model("default"), model)
    content = json.loads((model / CONTRACT).read_text())
    (model / CONTRACT).write_text(json.dumps(content | {"earlier_cards": ["first", "second"]}))
    monkeypatch.setattr("ictal.models.hub.SHIPPED", tmp_path)


@pytest.mark.usefixtures("reworded")
def test_a_partition_of_the_same_model_with_an_earlier_wording_of_its_card_is_continued():
    now = read_contract(find_model("default"))[0]
    for card in now.earlier_cards:
        earlier = PartitionSettings(**OLD, weights_sha256=now.weights_sha256, card=card)
        new = PartitionSettings.of("default", ArchiveSettings())
        assert new.card == now.card
        assert PartitionSettings.of("default", ArchiveSettings(), {earlier.name}) == earlier
        assert PartitionSettings.of("default", ArchiveSettings(), {earlier.name, new.name}) == new
        assert PartitionSettings.of("default", ArchiveSettings(step_s=5), {earlier.name}).card == now.card


def test_0_1_named_the_partition_of_its_default_so():
    weights = "716a1a7d8e753e650b34ba98d73460313e4fefc9e20912c1a453cc2fc3af1413"
    assert PartitionSettings(**OLD, weights_sha256=weights, card="8518f03b3e21bd85").name == "default-bbac8824"


def test_only_the_model_of_the_partition_may_score_it():
    made = contract(card="new", earlier_cards=("old",), weights_sha256="w")
    for card in ("new", "old"):
        PartitionSettings(**OLD, weights_sha256="w", card=card).check(made)
    for weights, card in (("w", "other"), ("v", "new"), ("v", "old")):
        with pytest.raises(ModelError, match="differs from the model with which"):
            PartitionSettings(**OLD, weights_sha256=weights, card=card).check(made)
