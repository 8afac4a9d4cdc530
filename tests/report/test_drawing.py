import re

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ictal.report.drawing import to_svg


def test_a_long_curve_is_written_short_and_stays_where_it_is():
    figure = Figure(figsize=(5, 3))
    axes = figure.add_axes((0, 0, 1, 1))
    values = np.random.default_rng(0).uniform(-1, 1, 500)
    with mpl.rc_context({"path.simplify": False}):
        axes.plot(np.arange(500), values)
    axes.set(xlim=(0, 499), ylim=(-1, 1))
    svg = to_svg(figure, "none")
    ((start, steps),) = re.findall(r'd="M([-\d. ]+)l([-\d. ]+)"', svg)
    numbers = [float(number) for number in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", f"{start} {steps}")]
    places = np.cumsum(np.array(numbers).reshape(-1, 2), axis=0)
    assert len(places) == 500
    # Rounded to a tenth of a point; 5 x 3 inches are 360 x 216 points, down from the top.
    np.testing.assert_allclose(places[:, 0], np.arange(500) / 499 * 360, atol=0.051)
    np.testing.assert_allclose(places[:, 1], (1 - values) / 2 * 216, atol=0.051)


def test_ids_of_two_figures_differ():
    ids = [set(re.findall(r'id="([^"]+)"', to_svg(Figure(figsize=(1, 1))))) for _ in range(2)]
    assert ids[0]
    assert not ids[0] & ids[1]
