"""Which partition a run continues."""

import pytest

from ictal.archive.run_settings import ArchiveSettings, PartitionSettings
from ictal.errors import ModelError
from ictal.models.hub import find_model
from ictal.scoring.export_contract import read_contract
from tests.scoring.helpers import contract

OLD = {"model": "default", "step_s": 10, "engine": "auto", "interpolate": 0}


def test_a_partition_of_the_same_model_with_an_earlier_wording_of_its_card_is_continued():
    now = read_contract(find_model("default"))[0]
    assert now.earlier_cards
    earlier = PartitionSettings(**OLD, weights_sha256=now.weights_sha256, card=now.earlier_cards[0])
    new = PartitionSettings.of("default", ArchiveSettings())
    assert new.card == now.card
    assert PartitionSettings.of("default", ArchiveSettings(), {earlier.name}) == earlier
    assert PartitionSettings.of("default", ArchiveSettings(), {earlier.name, new.name}) == new
    assert PartitionSettings.of("default", ArchiveSettings(step_s=5), {earlier.name}).card == now.card


def test_0_1_named_the_partition_of_default_so():
    now = read_contract(find_model("default"))[0]
    names = {
        PartitionSettings(**OLD, weights_sha256=now.weights_sha256, card=card).name for card in now.earlier_cards
    }
    assert "default-bbac8824" in names


def test_only_the_model_of_the_partition_may_score_it():
    made = contract(card="new", earlier_cards=("old",), weights_sha256="w")
    for card in ("new", "old"):
        PartitionSettings(**OLD, weights_sha256="w", card=card).check(made)
    for weights, card in (("w", "other"), ("v", "new"), ("v", "old")):
        with pytest.raises(ModelError, match="differs from the model with which"):
            PartitionSettings(**OLD, weights_sha256=weights, card=card).check(made)
