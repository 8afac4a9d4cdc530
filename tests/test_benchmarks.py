"""The pure parts of `make bench` by hand, and the Keras reference against its known size and ictal's own views."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ictal.io.edf.writer import write_edf
from ictal.recipes import load_recipe
from ictal.simulator import simulate_recording
from ictal.views import Spectrogram, Waveform


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))


def row(**changed):
    from _table import Row

    known = {"name": "scoring", "unit": "ms", "ours": (1.0, 2.0, 4.0), "theirs": (30.0, 20.0, 100.0), "target": 20}
    return Row(**known | {"why": "Because."} | changed)


def test_the_way_of_the_data_ends_at_the_first_probabilities(tmp_path, monkeypatch, capsys):
    import path

    write_edf(tmp_path / "x.edf", simulate_recording(1, 0, 0.02))
    monkeypatch.setattr("sys.argv", ["path.py", str(tmp_path / "x.edf")])
    path.main()
    way = capsys.readouterr().out.partition("To find and open the model")[0]
    assert "io/edf/reader.py" in way
    files = [line.split()[-1] for line in way.splitlines() if line]
    assert "scoring/engines/exported.py" in files
    # The calibration of the mean of the networks comes last; meanwhile, the next chunk is read.
    assert files.index("preprocessing/filtering.py") < files.index("models/calibration.py")


def test_a_ratio_is_of_rounds_and_not_of_medians():
    ratio = row().ratio
    assert (ratio.low, ratio.median, ratio.high) == (10.0, 25.0, 30.0)
    assert str(ratio) == "25 (10 to 30)"


@pytest.mark.parametrize(("ours", "theirs"), [((), ()), ((1.0,), (1.0, 2.0))])
def test_rounds_that_do_not_pair_are_refused(ours, theirs):
    with pytest.raises(ValueError, match="both sides need the same number"):
        _ = row(ours=ours, theirs=theirs).ratio


def test_a_row_says_whether_its_median_reaches_what_is_asked():
    assert row().verdict == "reached: at least 20"
    assert row(target=25.1).verdict == "missed: at least 25.1"
    assert (row(target=None).verdict, row(target=None).reached) == ("", None)


def test_only_rows_that_miss_are_named_with_their_reason():
    from _table import misses

    assert misses([row(), row(target=None), row(name="memory", target=40)]) == [
        "- **memory**: 25, target 40. Because."
    ]


def test_a_table_has_columns_of_one_width():
    from _table import markdown

    assert markdown(("a", "b"), [("long", "c")]) == ["| a    | b |", "|------|---|", "| long | c |"]


@pytest.mark.parametrize("power", [-1.0, 0.0, 0.5, 2.0])
def test_the_exponent_of_a_power_is_found_exactly(power):
    from _table import Exponent

    x = np.array([1.0, 2, 4, 8])
    found = Exponent.of(x, 3 * x**power)
    assert [found.value, found.low, found.high] == pytest.approx([power] * 3, abs=1e-9)


def test_the_interval_of_an_exponent_holds_it_in_19_of_20_trials():
    from _table import Exponent

    rng, x = np.random.default_rng(0), np.repeat([1.0, 2, 4, 8], 3)
    fits = [Exponent.of(x, x * np.exp(rng.normal(0, 0.2, len(x)))) for _ in range(2000)]
    # Binomial: a standard deviation of 0.5 %.
    assert np.mean([fit.low <= 1 <= fit.high for fit in fits]) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0, 1, 2])])
def test_no_exponent_is_made_of_too_few_points_or_of_zeros(x, y):
    from _table import Exponent

    with pytest.raises(ValueError, match="give three points or more above 0"):
        Exponent.of(x, y)


def test_a_page_gets_the_lines_of_one_script_between_its_marks_alone():
    from _page import filled

    marks = [f"<!-- FIGURES of {name}.py -->\nold {name}\n<!-- END of {name}.py -->" for name in ("growth", "limits")]
    page = filled("\n".join(["# Title", *marks, "end"]), "growth", ["| new |"])
    assert page.splitlines() == [
        "# Title",
        "<!-- FIGURES of growth.py -->",
        "",
        "| new |",
        "",
        "<!-- END of growth.py -->",
        *marks[1].splitlines(),
        "end",
    ]
    with pytest.raises(ValueError, match="has no lines"):
        filled(page, "side_by_side", [])


@pytest.mark.parametrize("name", ["side_by_side", "growth", "limits", "agreement"])
def test_the_page_has_the_marks_of_every_script(name):
    from _page import PAGE, filled

    filled(PAGE.read_text(encoding="utf-8"), name, [])


def some_windows() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 30, (2, 20, 10_000)).astype(np.float32)


@pytest.mark.filterwarnings("ignore")
class TestReference:
    """Skipped where the extra `bench` is not installed."""

    @pytest.fixture(autouse=True)
    def _installed(self):
        pytest.importorskip("librosa")

    def test_its_mel_image_is_that_of_the_recipe_paper(self):
        from reference.pipeline import mel_image, tiled

        windows = some_windows()
        image = mel_image(windows[0])
        ours = Spectrogram(load_recipe("paper").models.spatial.spectrogram)(torch.from_numpy(windows[:1]))[0]
        # 0.05 dB, as docs/design.md says, over 40 dB.
        np.testing.assert_allclose(image, ours.numpy(), atol=0.05 / 40)
        assert tiled(image).shape == (512, 512, 3)
        np.testing.assert_array_equal(tiled(image)[128:256, 256:, 2], image[1])

    def test_its_raw_input_has_the_derivations_and_scale_of_the_recipe_paper(self):
        from reference.pipeline import raw_input

        # 2 Hz passes any low-pass of 20 Hz; of its delay of 20 ms, 0.26 rad of phase are left.
        sines = np.sin(2 * np.pi * 2 * np.arange(10_000) / 200) * np.arange(1, 21)[:, None]
        ours = Waveform(load_recipe("paper").models.temporal.waveform)(torch.from_numpy(sines[None]).float())[
            0
        ].numpy()
        raw = raw_input(sines.astype(np.float32)).T
        assert raw.shape == (8, 2000)
        signs = np.sign((raw[:, 200:] * ours[:, 200:]).mean(axis=1))
        np.testing.assert_array_equal(signs, 1)
        np.testing.assert_allclose(raw[:, 200:].std(axis=1), ours[:, 200:].std(axis=1), rtol=0.02)

    @pytest.mark.exhaustive
    def test_its_networks_have_the_known_size_and_give_probabilities(self):
        pytest.importorskip("tensorflow")
        from reference.networks import WAVENET_PARAMETERS, both, efficientnet, wavenet

        waves, picture = wavenet(), efficientnet()
        assert waves.count_params() == WAVENET_PARAMETERS
        assert picture.count_params() == pytest.approx(7.8e6, rel=0.01)
        probabilities = both(waves, picture, some_windows(), batch=1)
        assert probabilities.shape == (2, 6)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_a_limit_of_burden_is_exceeded_while_seizures_take_more_of_the_last_hour():
    from alarms import Night

    night = Night(7200, {}, {})
    assert night.above(0.5, [(0, 3600)]) == [(1800, 5390)]
    assert night.above(0.5, [(0, 600), (3600, 3900)]) == []
    assert night.above(0.25, [(0, 600), (5400, 7000)]) == [(1800, 2390), (6310, 7200)]
    assert night.above(0.2, []) == []


def test_clips_are_joined_into_an_hour_without_steps():
    from alarms import joined

    seizure, other = (np.ones((2, 100 * seconds), dtype=np.float32) for seconds in (30, 70))
    samples, spans = joined([seizure, seizure], [other], 100)
    assert samples.shape == (2, 360_000)
    assert np.allclose(samples[:, 100:], 1)
    assert len(spans) == 2
    assert [start_s // 100 for start_s, _ in spans] == [9, 24]
    assert all(stop_s - start_s == pytest.approx(30) for start_s, stop_s in spans)
