import numpy as np

from ictal.core.montage import CHANNELS
from ictal.core.windows import CENTRE_SAMPLES
from ictal.report.traces import traces_figure


def test_each_panel_has_the_double_banana_and_the_heart_at_their_scale():
    samples = np.zeros((len(CHANNELS), CENTRE_SAMPLES), dtype=np.float32)
    samples[CHANNELS.index("Fp1"), 1000] = 50
    samples[CHANNELS.index("F7"), 1000] = -50
    figure = traces_figure([("real", samples), ("simulated", samples)], row_uv=100)
    assert len(figure.axes) == 2
    for axes, title in zip(figure.axes, ("real", "simulated"), strict=True):
        assert axes.get_title(loc="left") == title
        names = [label.get_text() for label in axes.get_yticklabels()]
        assert names[:2] == ["Fp1-F7", "F7-T3"]
        assert len(names) == 19
        assert names[-1] == "EKG"
        first = np.asarray(axes.lines[0].get_ydata())
        assert first[1000] - first[0] == 1  # 100 µV of Fp1-F7 are one row
        second = np.asarray(axes.lines[1].get_ydata())
        assert second[1000] - second[0] == -0.5
