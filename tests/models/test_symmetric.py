"""The mirror, the trust in derivations, and what else is promised of the symmetric network."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.core.montage import CHANNELS, MIRROR, derivations_of, montage
from ictal.models.pooling import AttentionPool, central
from ictal.models.symmetric import FADING, WAVEFORM, ResidualBlock, Symmetric, SymmetricSettings, Trust
from ictal.views import WaveformSettings

SMALL = SymmetricSettings(widths=(8, 12), hemisphere=16, both=16, drop_rate=0.0)
COARSE = WaveformSettings(montage="double_banana", decimate=20, scale_uv=20, clip_uv=2000)
CUT = COARSE.model_copy(update={"seconds": 10.0})


def windows(n: int, seed: int = 0) -> torch.Tensor:
    """Return noise whose size differs between electrodes, so that the two sides are not alike."""
    generator = torch.Generator().manual_seed(seed)
    size = 40 * torch.randn(n, 20, 1, generator=generator).exp()
    return size * torch.randn(n, 20, 10_000, generator=generator)


def network(seed: int = 0, waveform: WaveformSettings = COARSE, n_outputs: int = 6) -> Symmetric:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = Symmetric(waveform, SMALL, n_outputs=n_outputs)
        made(windows(4, seed + 1))  # so that batch normalisation has seen something
    return made


def train(
    made: nn.Module, batch: torch.Tensor, target: torch.Tensor, n_steps: int, rate: float = 0.01
) -> list[float]:
    optimizer = torch.optim.Adam(made.parameters(), rate)
    losses = []
    for step in range(n_steps):
        rows = slice(16 * step % len(batch), 16 * step % len(batch) + 16)
        loss = F.cross_entropy(made(batch[rows]), target[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@settings(max_examples=15)
@given(seed=st.integers(0, 2**20), waveform=st.sampled_from([COARSE, CUT, WaveformSettings(decimate=20)]))
def test_a_mirrored_window_has_the_same_output(seed, waveform):
    made = network(seed, waveform).eval()
    batch = windows(2, seed)
    with torch.inference_mode():
        torch.testing.assert_close(made(batch[:, MIRROR]), made(batch), rtol=0, atol=1e-5)
        # The sides differ, and the network looks at them: not all permutations of electrodes do nothing.
        shuffled = batch[:, [*np.random.default_rng(seed).permutation(19).tolist(), 19]]
        assert (made(shuffled) - made(batch)).abs().max() > 1e-4


def test_the_mirror_holds_at_full_size_and_after_training():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Symmetric(WAVEFORM, SymmetricSettings())
        before = made.head[1].weight.clone()
        train(made, windows(4), torch.arange(4), 3)
    assert not torch.equal(before, made.head[1].weight)
    assert sum(parameter.numel() for parameter in made.parameters()) < 800_000
    made.eval()
    with torch.inference_mode():
        torch.testing.assert_close(made(windows(3)[:, MIRROR]), made(windows(3)), rtol=0, atol=1e-5)


def test_the_side_does_not_matter_but_that_there_is_one_does():
    wave = 60 * torch.sin(2 * torch.pi * 1.5 * torch.arange(10_000) / 200)
    odd, even = ([CHANNELS.index(f"{name}{n}") for name in ("F", "C", "P")] for n in (3, 4))
    left, right, both = windows(3, 5)[:1].repeat(3, 1, 1) / 10
    left, right, both = left.clone(), right[[*MIRROR]].clone(), both.clone()
    left[odd] += wave
    right[even] += wave
    both[odd + even] += wave
    made = network().eval()
    with torch.inference_mode():
        of_left, of_right, of_both = made.features(torch.stack([left, right, both]))
    torch.testing.assert_close(of_left, of_right, rtol=0, atol=1e-5)
    assert (of_left - of_both).abs().max() > 0.01


def test_outputs_are_those_asked_for_and_each_window_is_alone():
    made = network(n_outputs=7).eval()
    batch = windows(5)
    with torch.inference_mode():
        logits = made(batch)
        order = torch.tensor([3, 0, 4, 1, 2])
        torch.testing.assert_close(made(batch[order]), logits[order], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(made(batch[2:3]), logits[2:3], rtol=1e-4, atol=1e-5)
        assert logits.shape == (5, 7)
        assert made.features(batch).shape == (5, made.n_features)


def test_a_gradient_reaches_every_parameter():
    made = network().train()
    made(windows(4)).log_softmax(1)[:, 2].sum().backward()
    assert not [name for name, p in made.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_the_network_is_one_graph_for_any_batch():
    made = network().eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(made, (windows(2),), dynamic_shapes={"windows": {0: batch}}).module()
    with torch.inference_mode():
        torch.testing.assert_close(exported(windows(5)), made(windows(5)), rtol=1e-4, atol=1e-5)


def test_mixed_precision_changes_little():
    made = network().eval()
    with torch.inference_mode():
        exact = made(windows(2)).softmax(1)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = made(windows(2)).float().softmax(1)
            trust = made.trust(windows(2), made.view(windows(2)))
    # bfloat16 has 8 bits: 0.4 % per rounding, through about ten layers.
    torch.testing.assert_close(mixed, exact, rtol=0, atol=0.04)
    assert trust.dtype == torch.float32


@settings(max_examples=15)
@given(seed=st.integers(0, 2**20), size_uv=st.floats(1, 500), waveform=st.sampled_from([COARSE, CUT]))
def test_a_signal_common_to_all_electrodes_changes_nothing(seed, size_uv, waveform):
    made, batch = network(seed, waveform).eval(), windows(2, seed)
    common = size_uv * torch.randn(2, 1, 10_000, generator=torch.Generator().manual_seed(seed + 1))
    with torch.inference_mode():
        moved = (made(batch + common) - made(batch)).abs().max()
        # Sums of float32 up to 1e4 µV are rounded by 1e-3 µV, against derivations of tens of µV.
        assert moved < 1e-3
        made.trust.quality = "electrodes"  # as in version 0.1
        assert (made(batch + common) - made(batch)).abs().max() > moved


@pytest.mark.parametrize("quality", ["derivations", "electrodes"])
def test_the_figures_are_what_they_are_called(quality):
    batch = windows(2)
    batch[0, CHANNELS.index("T3")] = 0
    batch[1, [CHANNELS.index(name) for name in ("F3", "C3")]] = 7.0  # F3-C3 does not move
    traces = Symmetric(COARSE, SMALL).view(batch)
    figures = Trust(COARSE, quality).figures(batch, traces).numpy()
    x, pairs = batch.numpy()[..., ::20] / 20, derivations_of(montage("double_banana"))
    size = np.zeros((2, 18))
    for row, (anode, cathode) in enumerate(pairs):
        one, other = x[:, CHANNELS.index(anode)], x[:, CHANNELS.index(cathode)]
        trace = (one - other).clip(-100, 100)
        size[:, row] = np.log(np.abs(trace).mean(1) + 0.01)
        steps = np.abs(np.diff(trace, axis=1))
        expected = [
            size[:, row],
            np.log(steps.mean(1) + 0.01) - size[:, row],
            np.log(np.abs(trace).max(1) + 0.01) - size[:, row],
            np.maximum(0, 1 - steps / 0.05).mean(1),
        ]
        np.testing.assert_allclose(figures[:, row][:, [0, 1, 2, 5]], np.stack(expected, 1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(figures[..., 3], size - np.median(size, axis=1, keepdims=True), rtol=0, atol=1e-4)
    assert figures[1, pairs.index(("F3", "C3")), 5] == 1
    median = np.median(size, axis=1)
    for row, pair in enumerate(pairs):
        if quality == "electrodes":
            of_pair = [np.log(np.abs(x[:, CHANNELS.index(name)]).mean(1) + 0.01) for name in pair]
            expected = np.minimum(*of_pair)
        else:
            around = [[index for index, other in enumerate(pairs) if name in other] for name in pair]
            expected = np.maximum(*(size[:, rows].min(axis=1) for rows in around)) - median
        np.testing.assert_allclose(figures[:, row, 4], expected, rtol=1e-4, atol=1e-4)


def test_a_derivation_that_is_not_trusted_does_not_matter():
    made = network().eval()
    with torch.no_grad():  # believe what is quieter than 100 times the scale, and nothing else
        for layer in (made.trust.judge[0], made.trust.judge[2]):
            layer.weight.zero_()
            layer.bias.zero_()
        made.trust.judge[0].weight[0, 0] = 1
        made.trust.judge[2].weight[0, 0] = -20
        made.trust.judge[2].bias[0] = 40
    clean = windows(1) / 10
    spoilt = clean.clone()
    spoilt[0, CHANNELS.index("C4")] = 2000 * torch.randn(10_000, generator=torch.Generator().manual_seed(9))
    with torch.inference_mode():
        factors = made.trust(spoilt, made.view(spoilt))[0]
        spoilt_chain, clean_chain = made.chains(spoilt)[2], made.chains(clean)[2]
        three = clean.clone()
        three[0, CHANNELS.index("C4")] = spoilt[0, CHANNELS.index("C4")].flip(0)  # another noise of the same size
    pairs = [str(pair) for pair in derivations_of(montage("double_banana"))]
    doubted = [name for name, factor in zip(pairs, factors, strict=True) if factor < 1e-3]
    assert doubted == ["F4-C4", "C4-P4"]
    assert not torch.allclose(spoilt_chain, clean_chain, atol=1e-2)  # two derivations less in the mean
    with torch.inference_mode():
        torch.testing.assert_close(made.chains(three)[2], spoilt_chain, rtol=0, atol=1e-2)
        everything = 2000 * torch.randn(1, 20, 10_000, generator=torch.Generator().manual_seed(1))
        assert torch.isfinite(made(everything)).all()
        assert made.chains(everything)[2].abs().max() < 0.1  # a chain of none but bad derivations fades out


def test_training_learns_to_distrust_a_noisy_electrode():
    generator = torch.Generator().manual_seed(0)
    batch = 8 * torch.randn(64, 20, 10_000, generator=generator)
    target, bad = torch.arange(64) % 2, torch.randint(0, 19, (64,), generator=generator)
    wave = 12 * torch.sin(2 * torch.pi * 2 * torch.arange(10_000) / 200)
    batch += target[:, None, None] * wave * torch.randn(64, 20, 1, generator=generator)
    batch[torch.arange(64), bad] += 1500 * torch.randn(64, 10_000, generator=generator)
    made = network(n_outputs=2).train()
    touched = (made.trust.anode == bad[:, None]) | (made.trust.cathode == bad[:, None])

    def advantage() -> float:
        with torch.inference_mode():
            factors = made.trust(batch, made.view(batch))
        return float(factors[touched].mean() / factors[~touched].mean())

    before = advantage()
    losses = train(made, batch, target, 60)
    assert np.mean(losses[-4:]) < 0.3 < np.mean(losses[:4])
    assert advantage() < 0.8 * before


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (5, 2), (7, 3)])
def test_a_block_of_zeros_is_its_skip(kernel, stride):
    block = ResidualBlock(3, 4, kernel, stride).eval()
    nn.init.zeros_(block.second.weight)
    signal = torch.randn(2, 3, 5, 61, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        out = block(signal)
        assert out.shape == (2, 4, 5, -(-61 // stride))
        mean = signal[..., :stride].mean(dim=-1)
        expected = torch.einsum("oi,bir->bor", block.skip[-1].weight[:, :, 0, 0], mean).relu()
        torch.testing.assert_close(out[..., 0], expected)


@given(n_frames=st.integers(1, 500))
def test_the_central_frames_cover_the_central_ten_seconds_and_no_frame_more(n_frames):
    frames = central(n_frames)
    # In 1 / 50 of a frame, so that nothing is rounded.
    assert frames.start * 50 <= 20 * n_frames < (frames.start + 1) * 50
    assert (frames.stop - 1) * 50 < 30 * n_frames <= frames.stop * 50


def test_the_pool_weighs_times_and_has_the_centre_beside_the_whole():
    pool = AttentionPool(2)
    signal = torch.randn(3, 2, 50, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        nn.init.zeros_(pool.score.weight)
        expected = torch.cat([signal.mean(dim=2), signal[..., 20:30].mean(dim=2)], dim=1)
        torch.testing.assert_close(pool(signal), expected)
        pool.score.weight[:, :, 0] = 200 * torch.eye(2)  # so sharp that the largest takes all
        expected = torch.cat([signal.amax(dim=2), signal[..., 20:30].amax(dim=2)], dim=1)
        torch.testing.assert_close(pool(signal), expected, rtol=0.02, atol=0.02)


def test_the_central_frames_of_less_than_a_window():
    assert central(30, 30.0) == slice(10, 20)
    assert central(16, 10.0) == central(16, 4.0) == slice(0, 16)


def test_a_pool_of_the_centre_alone_has_a_plain_mean_beside_the_weighted_one():
    pool = AttentionPool(2, 10.0)
    signal = torch.randn(3, 2, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        pool.score.weight[:, :, 0] = 200 * torch.eye(2)
        expected = torch.cat([signal.amax(dim=2), signal.mean(dim=2)], dim=1)
        torch.testing.assert_close(pool(signal), expected, rtol=0.02, atol=0.02)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**20), seconds=st.sampled_from([1.0, 7.3, 10.0, 30.0]))
def test_only_the_middle_is_looked_at(seed, seconds):
    """Neither traces nor trust may see what is further out, and the middle must not be lost."""
    made = network(seed, COARSE.model_copy(update={"seconds": seconds})).eval()
    batch = windows(2, seed)
    half = round(seconds * 100)
    spoilt, other = windows(2, seed + 1), batch.clone()
    spoilt[..., 5000 - half : 5000 + half] = batch[..., 5000 - half : 5000 + half]
    other[..., 5000 - half : 5000 + half] = windows(2, seed + 2)[..., 5000 - half : 5000 + half]
    with torch.inference_mode():
        torch.testing.assert_close(made(spoilt), made(batch), rtol=0, atol=1e-6)
        assert (made(other) - made(batch)).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widths": ()}, "widths.*from 1"),
        ({"widths": (8, 0)}, "widths.*from 1"),
        ({"kernel": 4}, "kernel.*4; allowed.*odd"),
    ],
)
def test_sizes_that_make_no_network_are_refused(values, message):
    with pytest.raises(ValidationError, match=rf"(?s){message}"):
        SymmetricSettings(**values)


def test_the_mean_over_a_chain_is_weighted_by_trust():
    made, batch = network().eval(), windows(2)
    traces = made.view(batch)
    with torch.inference_mode():
        trust = made.trust(batch, traces)
        maps = made.encoder(traces.asinh().unsqueeze(1))
        rows = iter(range(18))
        for chain, size in zip(made.chains(batch), made.view.chain_sizes, strict=True):
            of_chain = [next(rows) for _ in range(size)]
            total = sum(trust[:, row, None, None] * maps[:, :, row] for row in of_chain)
            expected = total / (trust[:, of_chain].sum(dim=1) + FADING)[:, None, None]
            torch.testing.assert_close(chain, expected, rtol=1e-4, atol=1e-5)
