from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ictal.core.windows import CENTRE_SAMPLES
from ictal.errors import MissingExtraError, ModelError, UnknownNameError
from ictal.models.arms import ARMS
from ictal.models.calibration import CalibrationSettings
from ictal.models.checkpoint import load_model, predict
from ictal.models.fusion import FusionSettings
from ictal.models.model_settings import ModelSettings
from ictal.models.output import ModelOutput
from ictal.models.wavenet import Wavenet, WavenetSettings
from ictal.scoring import export
from ictal.scoring.engines import ExportedEngine, WindowBatch, open_engine
from ictal.scoring.engines import exported as exported_engine
from ictal.scoring.engines.exported import BATCH
from ictal.scoring.engines.openvino import BF16_AGREES, CheckedEngine
from ictal.scoring.export_contract import Part, exported_folder
from ictal.scoring.pipeline import score
from ictal.views.waveform import WaveformSettings
from tests.scoring.helpers import (
    SHARING,
    SMALL,
    contract,
    eeg,
    exported,
    recording_of,
    save,
    windows_of,
    with_wavenet,
)

AGREE = 1e-4
"""What the issue allows between an exported model and torch, and between any two ways to score a window."""

DIRICHLET = SMALL.model_copy(update={"votes": "dirichlet", "lapse": 0.05})


@given(steps=st.lists(st.integers(100, 12_000), max_size=80), takes=st.sampled_from(["frames", "columns", "windows"]))
def test_jobs_are_short_and_leave_no_window_out(steps, takes):
    starts = [0, *np.cumsum(steps).tolist()]
    ends = list(exported_engine._groups(starts, Part(name="one", takes=takes, files=("", ""), reach=())))
    assert [number for begin, end in ends for number in range(begin, end)] == list(range(len(starts)))
    for begin, end in ends:
        assert 0 < end - begin <= (BATCH if takes == "windows" else exported_engine.SHARING)
        assert takes == "windows" or starts[end - 1] - starts[begin] < exported_engine.SHARING * CENTRE_SAMPLES


def fusion(head: str, base: ModelSettings = SMALL) -> ModelSettings:
    own = FusionSettings(head=head, hidden=8, attention_heads=2)
    return base.model_copy(update={"fusion": own})


def grid() -> ModelSettings:
    view = SMALL.volume.volume.model_copy(update={"layout": "grid"})
    return SMALL.model_copy(update={"volume": SMALL.volume.model_copy(update={"volume": view})})


def spectrogram(base: ModelSettings = SMALL, **values: object) -> ModelSettings:
    view = base.spatial.spectrogram.model_copy(update=values)
    return base.model_copy(update={"spatial": base.spatial.model_copy(update={"spectrogram": view})})


def centre(base: ModelSettings) -> ModelSettings:
    """Return settings whose waveform views cut the central 10 s, with a calibration."""
    cut = {"seconds": 10.0}
    symmetric = base.symmetric.model_copy(update={"waveform": base.symmetric.waveform.model_copy(update=cut)})
    temporal = base.temporal.model_copy(update={"waveform": base.temporal.waveform.model_copy(update=cut)})
    calibration = CalibrationSettings(temperature=1.4, bias=(0.4, -0.1, 0.0, 0.1, -0.5, 0.1))
    return base.model_copy(update={"symmetric": symmetric, "temporal": temporal, "calibration": calibration})


FAST = {
    "shared frames": ("temporal", SHARING),
    "zeros beyond the window": ("temporal", DIRICHLET),
    "the calibrated centre": ("symmetric", centre(SMALL)),
}
SLOW = {
    "features": ("features", DIRICHLET),
    "volume": ("volume", SMALL),
    "dirichlet, shared frames": ("temporal", with_wavenet(DIRICHLET, edges="drop")),
    "every sample, double banana": ("temporal", with_wavenet(decimate=1, edges="drop")),
    "frames that no step meets": ("temporal", with_wavenet(decimate=3, edges="drop")),
    "spatial": ("spatial", SMALL),
    "shared columns": ("spatial", spectrogram(DIRICHLET, width=40)),
    "columns beyond the window": ("spatial", spectrogram(width=250)),
    "a level of each image's own": ("spatial", spectrogram(width=40, reference="image")),
    "both": ("both", spectrogram(SHARING, width=40)),
    "both, zeros": ("both", SMALL),
    **{f"fusion, {head}": ("fusion", fusion(head)) for head in ("linear", "mlp", "gated", "attention")},
    "fusion, edges dropped": ("fusion-finetuned", fusion("attention", SHARING)),
    "grid": ("volume", grid()),
    "symmetric": ("symmetric", DIRICHLET),
    "context": ("context", DIRICHLET),
    "KER": ("KER", SHARING),
    "SE": ("SE", spectrogram(width=40)),
}
MODELS = {**FAST, **SLOW}


def params() -> list[object]:
    return [*FAST, *(pytest.param(name, marks=pytest.mark.exhaustive) for name in SLOW)]


AFTER_THE_MEAN = CalibrationSettings(temperature=0.4, bias=(0.9, -0.3, 0.0, 0.1, -0.9, 0.2))


def of_torch(folder: Path, piece: WindowBatch) -> ModelOutput:
    """Return what the saved network says of each window, handed to it alone."""
    windows = np.stack([piece.window(number) for number in range(len(piece.starts))])
    found = predict(load_model(folder).network, windows, np.arange(len(windows)), 1, piece.contexts)
    return ModelOutput(found.probabilities, found.concentrations)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory) -> Path:
    """The mean of two networks, with a calibration after the mean."""
    return save(tmp_path_factory.mktemp("models") / "model", "both", SHARING, calibration=AFTER_THE_MEAN)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "torch"])
def test_a_calibrated_mean_is_exported(engine, calibrated):
    """If the log-probabilities before it differ by at most d, those after it do by d / temperature.

    A probability p changes by p (1 - p) <= 1/4 times the difference of two such changes: at most d / (2 temperature).
    """
    plain, piece = exported("both", SHARING), windows_of(5)
    runs = [open_engine(folder, engine) for folder in (plain, calibrated)]
    before, after = ((one.exact if isinstance(one, CheckedEngine) else one)(piece) for one in runs)
    of_plain, of_calibrated = (of_torch(folder, piece) for folder in (plain, calibrated))
    exact = AFTER_THE_MEAN.apply(of_plain.probabilities)
    np.testing.assert_allclose(of_calibrated.probabilities, exact, atol=1e-6)
    assert abs(exact - of_plain.probabilities).max() > 0.05
    off = abs(np.log(before.probabilities) - np.log(of_plain.probabilities)).max()
    assert_agree(after, of_calibrated, off / (2 * AFTER_THE_MEAN.temperature) + 1e-6)


def assert_agree(found: ModelOutput, expected: ModelOutput, allowed: float = AGREE) -> None:
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=allowed, rtol=0)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-9)
    assert (found.concentrations is None) == (expected.concentrations is None)
    if expected.concentrations is not None and found.concentrations is not None:
        np.testing.assert_allclose(found.concentrations, expected.concentrations, rtol=max(allowed, 1e-3))


@pytest.mark.parametrize("name", params())
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "torch"])
def test_every_engine_says_of_every_arm_what_torch_says(name, engine):
    folder = exported(*MODELS[name])
    piece = windows_of(5)
    expected = of_torch(folder, piece)
    assert expected.probabilities.std(axis=0).max() > 0.03, "windows alike prove nothing"
    runs = open_engine(folder, engine)
    exact = runs.exact if isinstance(runs, CheckedEngine) else runs
    assert exact.described["engine"] == engine
    for n in (1, 3, 5):
        some = WindowBatch(piece.signal, piece.starts[:n], piece.contexts[:n])
        part = ModelOutput(
            expected.probabilities[:n], None if expected.concentrations is None else expected.concentrations[:n]
        )
        assert_agree(exact(some), part)
    apart = windows_of(3, step=1900, seed=3)
    assert_agree(exact(apart), of_torch(folder, apart))
    if runs is not exact:
        assert_agree(runs(piece), expected, 2 * BF16_AGREES)
        assert runs.described["precision"] in ("bfloat16", "float32")
        assert runs.described["bfloat16_differs_by"] >= 0


@pytest.mark.parametrize("name", params())
def test_the_one_graph_for_others_is_the_model(name):
    folder = exported(*MODELS[name])
    piece = windows_of(3, step=3700)
    windows = np.stack([piece.window(number) for number in range(3)])
    session = onnxruntime.InferenceSession(exported_folder(folder) / "model.onnx", providers=["CPUExecutionProvider"])
    known = {"windows": windows, "contexts": piece.contexts}
    inputs = [put.name for put in session.get_inputs()]
    assert inputs == (["windows", "contexts"] if ARMS[MODELS[name][0]].sees_context or "K" in name else ["windows"])
    expected = of_torch(folder, piece)
    for n in (1, 3):
        found = session.run(None, {name: known[name][:n] for name in inputs})
        np.testing.assert_allclose(found[0], expected.probabilities[:n], atol=AGREE)
        if expected.concentrations is not None:
            np.testing.assert_allclose(found[1], expected.concentrations[:n], rtol=1e-3)


kernels = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=3)


@given(
    layers=kernels,
    decimate=st.sampled_from([2, 5, 10, 20]),
    steps=st.lists(st.integers(1, 100), min_size=1, max_size=3),
    before=st.integers(0, 10),
)
@settings(max_examples=15)
def test_frames_of_a_piece_are_those_of_each_window_in_it(layers, decimate, steps, before):
    """The claim by which overlapping windows share their frames; steps are of half a second to 50 s."""
    sizes = WavenetSettings(
        filters=tuple(2 for _ in layers),
        kernels=tuple(kernel for kernel, _ in layers),
        dilations=tuple(number for _, number in layers),
        norm="batch",
        edges="drop",
    )
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(0)
        network = Wavenet(WaveformSettings(decimate=decimate), sizes).eval()
        starts = (100 * (before + np.concatenate([[0], np.cumsum(steps)]))).tolist()
        signal = torch.randn(1, 20, starts[-1] + 10_000) * 30
        frames = network.over_time(signal)
        for start in starts:
            alone = network.over_time(signal[..., start : start + 10_000])
            shared = frames[..., start // decimate : start // decimate + alone.shape[3]]
            assert float((alone - shared).abs().max()) < 1e-5
            if sum((kernel - 1) * (2**number - 1) for kernel, number in layers):
                assert alone.shape[3] < 10_000 // decimate


@pytest.mark.parametrize("dilations", [(11,), (10,)])
def test_a_wavenet_that_leaves_too_few_frames_is_refused(dilations):
    """Of 2,000 frames 3 x (2^10 - 1) would go; the sixteen parts of a window, too, must have one each."""
    sizes = WavenetSettings(filters=(2,), kernels=(4,), dilations=dilations, edges="drop")
    with pytest.raises(ModelError, match=r"reaches \d+ samples to each side, and a window has 2000"):
        Wavenet(WaveformSettings(), sizes)
    Wavenet(WaveformSettings(), sizes.model_copy(update={"edges": "zero"}))


@pytest.mark.parametrize("kernel", range(1985, 2002))
def test_what_is_left_of_a_window_is_enough_for_its_parts(kernel):
    sizes = WavenetSettings(filters=(1,), kernels=(kernel,), dilations=(1,), edges="drop")
    try:
        network = Wavenet(WaveformSettings(), sizes).eval()
    except ModelError:
        assert kernel > 1985
        return
    assert kernel <= 1985
    with torch.inference_mode():
        assert network.sequence(torch.zeros(1, 20, 10_000)).shape == (1, 16, network.n_sequence)


@pytest.mark.parametrize(
    ("arm", "settings", "takes"),
    [
        ("temporal", with_wavenet(decimate=4, edges="drop"), "frames"),
        ("temporal", with_wavenet(decimate=3, edges="drop"), "windows"),
        ("temporal", with_wavenet(decimate=5), "frames"),
        ("temporal", with_wavenet(decimate=5, dilations=(10,)), "windows"),
        ("temporal", centre(with_wavenet(edges="drop")), "windows"),
        ("spatial", spectrogram(width=40), "columns"),
        ("spatial", spectrogram(width=32), "windows"),
        ("spatial", spectrogram(width=40, reference="image"), "windows"),
    ],
)
def test_only_what_is_the_same_for_all_windows_is_shared(tmp_path, arm, settings, takes):
    """Frames that every half second meets; columns that every 10 s meet, and whose 0 dB is that of all images."""
    parts, _ = export._parts(load_model(save(tmp_path, arm, settings)))
    assert [part.takes for part in parts] == [takes]


def test_windows_between_two_frames_are_refused():
    runs = open_engine(exported())
    piece = windows_of(2)
    with pytest.raises(ValueError, match="multiples of 5 samples"):
        runs(replace(piece, starts=[0, 1999]))


def test_unknown_engines_and_those_that_are_not_installed(monkeypatch):
    with pytest.raises(UnknownNameError, match="unknown engine 'tensorrt'; known are: auto, onnxruntime, openvino"):
        open_engine(exported(), "tensorrt")
    monkeypatch.setattr("ictal.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"'openvino' needs openvino; .* pip install 'ictal\[openvino\]'"):
        open_engine(exported(), "openvino")


def test_contexts_must_be_given_where_they_are_looked_at():
    part = Part(name="context", takes="contexts", files=("context.onnx",))
    runs = ExportedEngine(contract(parts=(part,)), {}, {"context.onnx": lambda inputs: [inputs["contexts"]]})
    with pytest.raises(ModelError, match="ten minutes around each window, and no contexts were given"):
        runs(replace(windows_of(1), contexts=None))


def test_threads_reach_torch():
    before = torch.get_num_threads()
    try:
        open_engine(exported(), "torch", threads=before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def answering(probability: float):
    """Return a graph that says the same of all windows."""
    row = [probability, *[(1 - probability) / 5] * 5]
    return {"model.onnx": lambda inputs: [np.tile(np.float32(row), (len(inputs["windows"]), 1))]}


@pytest.mark.parametrize(("rounded", "precision"), [(0.305, "bfloat16"), (0.33, "float32")])
def test_bfloat16_is_used_only_where_it_agrees(rounded, precision):
    parts = (Part(name="temporal", takes="windows", files=("model.onnx",)),)
    exact = ExportedEngine(contract(parts=parts), {"precision": "float32"}, answering(0.3))
    runs = CheckedEngine(exact.contract, exact.described, answering(rounded), exact=exact)
    used = rounded if precision == "bfloat16" else 0.3
    for _ in range(2):
        np.testing.assert_allclose(runs(windows_of(2)).probabilities[:, 0], used, rtol=1e-6)
    assert runs.described["precision"] == precision
    assert runs.described["bfloat16_differs_by"] == pytest.approx(rounded - 0.3, abs=1e-6)


def test_bfloat16_is_checked_again_for_every_recording():
    """One recording in which it fails is scored in float32, and the next one is not."""
    parts = (Part(name="temporal", takes="windows", files=("model.onnx",)),)
    exact = ExportedEngine(contract(parts=parts), {"precision": "float32"}, answering(0.3))

    def rough(inputs):
        return answering(0.5 if inputs["windows"].std() > 100 else 0.305)["model.onnx"](inputs)

    engine = CheckedEngine(exact.contract, exact.described, {"model.onnx": rough}, exact=exact)
    for gain, precision, seizure in ((1, "bfloat16", 0.305), (20, "float32", 0.3), (1, "bfloat16", 0.305)):
        scores = score(recording_of(eeg(90) * gain), engine, quality={"min_usable": 0.0}, mask=False)
        assert scores.manifest["engine"]["precision"] == precision
        np.testing.assert_allclose(scores.frame["seizure_probability"], seizure, rtol=1e-6)
    assert engine.agrees is None, "an engine that several recordings share keeps nothing of one of them"


def test_a_model_of_parts_is_their_mean_and_has_no_concentration():
    parts = tuple(Part(name=name, takes="windows", files=(f"{name}.onnx",)) for name in ("temporal", "spatial"))
    graphs = {f"{part.name}.onnx": answering(p)["model.onnx"] for part, p in zip(parts, (0.2, 0.6), strict=True)}
    answer = ExportedEngine(contract(parts=parts), {}, graphs)(windows_of(6))
    np.testing.assert_allclose(answer.probabilities[:, 0], 0.4, rtol=1e-6)
    assert answer.concentrations is None
