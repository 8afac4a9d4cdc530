import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from ictal.core.montage import ELECTRODES, mirror
from ictal.report.scalp_map import DISC, RIM, place_of, scalp_map
from tests.scoring.findings import TEMPORAL

PLACES = {name: place_of(name) for name in ELECTRODES}


def test_the_nose_is_up_and_the_left_side_on_the_left():
    assert PLACES["Cz"] == (0, 0)
    assert PLACES["Fz"][1] < 0 < PLACES["Pz"][1]
    assert PLACES["Fp1"][1] < PLACES["F3"][1] < PLACES["C3"][1] < PLACES["P3"][1] < PLACES["O1"][1]
    for name, (x, y) in PLACES.items():
        assert PLACES[mirror(name)] == pytest.approx((-x, y))
        assert (x < -1e-9) == (name[-1].isdigit() and int(name[-1]) % 2 == 1)


def test_electrodes_are_inside_the_head_and_do_not_overlap():
    places = np.array(list(PLACES.values()))
    assert (np.hypot(*places.T) + DISC < RIM).all()
    distances = np.hypot(*(places[:, None] - places[None]).T)
    assert distances[~np.eye(len(places), dtype=bool)].min() > 2 * DISC


def test_discs_are_as_dark_as_the_amplitude_is_large_and_dashed_where_it_is_not_known():
    drawn = scalp_map(TEMPORAL, "LPD")
    ET.fromstring(drawn)
    discs = {}
    for x, y, paint in re.findall(r'<circle cx="([-\d.]+)" cy="([-\d.]+)" r="[\d.]+" ([^/]*)/>', drawn):
        (name,) = [name for name, place in PLACES.items() if np.hypot(place[0] - float(x), place[1] - float(y)) < 0.1]
        discs[name] = paint
    assert set(discs) == set(ELECTRODES)
    for name, share in zip(ELECTRODES, TEMPORAL.involvement, strict=True):
        known = re.search(r'fill-opacity="([\d.]+)"', discs[name])
        assert bool(known) == np.isfinite(share)
        assert known is None or float(known[1]) == pytest.approx(share, abs=0.005)
    assert [name for name, paint in discs.items() if "dasharray" in paint] == ["Fp2"]


def test_the_map_has_a_title_for_those_who_do_not_see_it():
    drawn = ET.fromstring(scalp_map(TEMPORAL, "LPD"))
    assert drawn.get("role") == "img"
    assert drawn.findtext("title") == "LPD: at least half of the largest amplitude at F7, T3, T5"
