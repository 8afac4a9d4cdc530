import subprocess
import sys

import pytest

import ictal


@pytest.mark.parametrize("name", ictal.__all__)
def test_every_public_name_is_there(name):
    assert getattr(ictal, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ictal' has no attribute 'scores'"):
        _ = ictal.scores


def test_importing_ictal_and_asking_for_a_recording_needs_no_torch():
    code = "import sys, ictal; ictal.read; ictal.simulator.simulate_recording; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_dir_shows_the_public_names_without_importing_them():
    code = (
        "import sys, ictal; names = dir(ictal); sys.exit('torch' in sys.modules or not {*ictal.__all__} <= {*names})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"__name__", "__version__"} <= {*dir(ictal)}
