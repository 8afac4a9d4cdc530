from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from ictal.core.labels import PATTERNS
from ictal.core.montage import CHANNELS, ELECTRODES, Derivation
from ictal.errors import ModelError, UnknownNameError
from ictal.explanations.explanation import Explanation
from ictal.explanations.gradcam import Gradcam
from ictal.explanations.integrated_gradients import IntegratedGradients
from ictal.explanations.occlusion import Occlusion
from ictal.report import explanation_figure as module
from ictal.report.derivation_evidence import of_derivations
from ictal.report.explanation_figure import explanation_figure, save_figure
from ictal.report.traces import row_places
from tests.helpers import noise

PROBABILITIES = np.array([0.1, 0.6, 0.1, 0.1, 0.05, 0.05])
C4, SECOND = ELECTRODES.index("C4"), 24


def explanation(gap: float = 0.01, difference: float = 1.0, heat: float = 1.0) -> Explanation:
    """C4 in second 24 speaks for LPD, and nothing else says anything."""
    electrodes, seconds, grid = np.zeros(19), np.zeros(50), np.zeros((19, 25))
    electrodes[C4], seconds[SECOND], grid[C4, SECOND // 2] = 0.7, 0.4, 0.2
    attributions = np.zeros((20, 10_000))
    attributions[C4, SECOND * 200 : (SECOND + 1) * 200] = 0.5 / 200
    cells = np.array([[0.0, 0, 0, 0], [0, heat, 0, 0]])
    cam = Gradcam(
        np.kron(cells, np.ones((16, 8))), cells, np.random.default_rng(0).normal(50, 9, (4, 32, 32)),
        np.linspace(0.5, 19.5, 32), np.arange(32) * 50 / 32,
    )  # fmt: skip
    return Explanation(
        "lpd", PROBABILITIES, noise(10_000) / 4, Occlusion(electrodes, seconds, grid, 2),
        IntegratedGradients(attributions, 0.2, difference, gap, 32), cam, "fusion",
    )  # fmt: skip


@pytest.fixture(scope="module")
def drawn() -> Figure:
    return explanation_figure(explanation(), "occlusion", title="window 7")


def texts(figure) -> str:
    own = [text.get_text() for text in figure.texts]
    return "\n".join([*own, *(text.get_text() for axes in figure.axes for text in axes.texts)])


def shading(figure) -> list[np.ndarray]:
    """The values behind each derivation, from the top."""
    meshes = [child for child in figure.axes[0].get_children() if isinstance(child, QuadMesh)]
    return [np.asarray(mesh.get_array()).ravel() for mesh in meshes]


@pytest.mark.parametrize(("method", "strongest"), [("occlusion", 0.1), ("gradients", 0.25)])
def test_the_shading_lies_behind_the_derivations_of_the_electrode_at_its_time(method, strongest):
    rows = shading(explanation_figure(explanation(), method))
    names = [str(name) for name in row_places()]
    lit = [name for name, row in zip(names, rows, strict=True) if row.any()]
    assert lit == ["F4-C4", "C4-P4"]
    row = rows[names.index("C4-P4")]
    n_seconds = 50 // len(row)
    assert np.flatnonzero(row).tolist() == [SECOND // n_seconds]
    assert row.max() == pytest.approx(strongest)


def test_a_derivation_is_the_mean_of_its_two_electrodes():
    grid = np.random.default_rng(0).normal(size=(19, 3))
    rows = dict(zip(map(str, row_places()), of_derivations(grid), strict=True))
    assert len(rows) == 18
    for name in ("Fp1-F7", "P4-O2", "Cz-Pz"):
        one, other = (grid[ELECTRODES.index(electrode)] for electrode in name.split("-"))
        np.testing.assert_allclose(rows[name], (one + other) / 2)


def test_the_figure_says_what_it_is_about_and_has_the_seconds_and_electrodes(drawn):
    words = texts(drawn)
    for part in ("LPD, probability 0.60", "window 7, occlusion, arm fusion", "Orange is evidence for LPD"):
        assert part in words
    strip = drawn.axes[1]
    heights = [bar.get_height() for bar in strip.patches[-50:]]
    assert np.flatnonzero(heights).tolist() == [SECOND]
    assert heights[SECOND] == pytest.approx(0.4)
    head = next(axes for axes in drawn.axes if axes.get_title().startswith("each electrode"))
    circles = [patch for patch in head.patches if isinstance(patch, Circle)]
    assert len(circles) == 1 + 19
    assert {text.get_text() for text in head.texts} == {*ELECTRODES, "0", "+0.70"}
    places = {text.get_text(): text.get_position() for text in head.texts}
    assert places["C4"][0] > 0 > places["C3"][0]
    assert places["Fp1"][1] > places["T3"][1] > places["O1"][1]


def test_the_page_is_the_centre_or_the_whole_window_with_the_centre_marked():
    centre, window = (explanation_figure(explanation(), "occlusion", page).axes[0] for page in ("centre", "window"))
    assert centre.get_xlim() == (20, 30)
    assert window.get_xlim() == (0, 50)
    assert len(centre.lines[0].get_xdata()) == 2000
    marks = [float(line.get_xdata()[0]) for line in window.lines if line.get_linestyle() == "--"]
    assert marks == [20, 30]


@pytest.mark.parametrize(
    ("gap", "difference", "words"),
    [
        (0.01, 1.0, "add up within 0.010"),
        (-0.8, 1.0, "miss the sum that they should have by 0.80"),
        (0, -1, "silence"),
    ],
)
def test_shares_that_cannot_be_read_are_called_so(gap, difference, words):
    text = texts(explanation_figure(explanation(gap, difference), "gradients"))
    assert words in text
    assert ("Do not interpret" in text) == (words != "add up within 0.010")


def test_nothing_lights_up_where_there_is_nothing_but_rounding():
    tiny = Occlusion(np.full(19, 1e-8), np.full(50, -1e-8), np.full((19, 25), 1e-8), 2)
    figure = explanation_figure(Explanation("gpd", PROBABILITIES, noise(10_000), tiny), "occlusion")
    mesh = next(child for child in figure.axes[0].get_children() if isinstance(child, QuadMesh))
    assert np.abs(mesh.to_rgba(mesh.get_array()) - 1).max() < 0.01


def test_an_explanation_without_a_grid_shades_by_electrode():
    electrodes = np.arange(19) / 19
    found = Occlusion(electrodes, np.zeros(50), None, 0)
    rows = shading(explanation_figure(Explanation("lpd", PROBABILITIES, noise(10_000), found), "occlusion"))
    np.testing.assert_allclose(np.concatenate(rows), of_derivations(electrodes[:, None]).ravel())


def test_what_was_not_recorded_is_neither_drawn_nor_shaded():
    missing = np.zeros((20, 10_000), dtype=bool)
    missing[[C4, CHANNELS.index("EKG")]] = True
    missing[0, 4600:4800] = True
    made = replace(explanation(), missing=missing, lost=(Derivation("Fz", "Cz"),))
    figure = explanation_figure(made, "occlusion")
    traces = figure.axes[0]
    labels = [label.get_text() for label in traces.get_yticklabels()]
    assert "EKG" not in labels
    assert [text.get_text().strip() for text in traces.texts].count("not recorded") == 3  # with C4, and Fz-Cz
    lines = [np.asarray(line.get_ydata(), dtype=float) for line in traces.lines if len(line.get_xdata()) > 2]
    assert len(lines) == 15
    assert {int(np.isnan(line).sum()) for line in lines} == {0, 200}
    assert not any(row.any() for row in shading(figure)), "the only evidence is of an electrode that is not there"
    head = next(axes for axes in figure.axes if axes.get_title() == "each electrode, nats")
    written = [text.get_text() for text in head.texts]
    assert written.count("C4") == 1
    assert len(written) == 2 * 19 - 1


def test_grad_cam_lies_over_the_four_chains_with_hertz_and_seconds():
    figure = explanation_figure(explanation(), "gradcam")
    images = figure.axes[:4]
    titles = [axes.get_title(loc="left") for axes in images]
    assert titles == ["LL, left lateral", "LP, left parasagittal", "RP, right parasagittal", "RR, right lateral"]
    cam = explanation().gradcam
    for axes, image in zip(images, cam.images, strict=True):
        power, heat = (child for child in axes.get_children() if isinstance(child, QuadMesh))
        np.testing.assert_array_equal(np.asarray(power.get_array()), image)
        np.testing.assert_array_equal(np.asarray(heat.get_array()), cam.heat)
        assert axes.get_xlim() == (0, 50)
        assert axes.get_ylabel() == "Hz"
    words = texts(figure)
    assert "2 × 4 cells" in words
    assert "not on which side" in words
    assert "nothing to show" in texts(explanation_figure(explanation(heat=0), "gradcam"))


def test_a_figure_is_saved_whole_and_the_same_again(tmp_path, drawn):
    paths = [tmp_path / name for name in ("one.svg", "two.svg", "one.PNG")]
    save_figure(drawn, paths[0])
    save_figure(explanation_figure(explanation(), "occlusion", title="window 7"), paths[1])
    save_figure(drawn, paths[2])
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes().startswith(b"<?xml")
    assert paths[2].read_bytes().startswith(b"\x89PNG")


def test_nothing_is_drawn_beyond_the_figure():
    for method in ("occlusion", "gradients", "gradcam"):
        figure = explanation_figure(explanation(), method, title="a window of a long name")
        figure.draw_without_rendering()
        width, height = figure.bbox.size
        for text in [
            *figure.texts,
            *(label for axes in figure.axes for label in (axes.xaxis.label, axes.yaxis.label)),
        ]:
            box = text.get_window_extent()
            assert box.x0 >= 0, text
            assert box.x1 <= width, text
            assert box.y0 >= 0, text
            assert box.y1 <= height, text


def test_what_cannot_be_drawn_or_written_is_said(tmp_path, drawn):
    with pytest.raises(ModelError, match=r"no 'gradcam'; it has occlusion"):
        explanation_figure(Explanation("lpd", PROBABILITIES, noise(10_000), explanation().occlusion), "gradcam")
    with pytest.raises(UnknownNameError, match=r"unknown page 'all'; known are: centre, window"):
        explanation_figure(explanation(), "occlusion", "all")
    with pytest.raises(UnknownNameError, match=r"unknown kind of figure '.gif'; known are: .svg, .png"):
        save_figure(drawn, tmp_path / "out.gif")


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (-1e-6, "0"), (0.0123, "+0.012"), (-0.5, "−0.50")])
def test_numbers_are_short(value, text):
    assert module._short(value) == text


def test_the_patterns_are_all_shown_and_the_explained_one_stands_out(drawn):
    axes = next(axes for axes in drawn.axes if axes.get_title() == "probabilities")
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == PROBABILITIES.tolist()
    colours = {bar.get_facecolor() for bar in axes.patches}
    assert len(colours) == 2
    assert len(axes.patches) == len(PATTERNS)
