"""The backward pass of WaveNet's gated layer, beside the one that torch derives from the plain formula."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.models.gated_layer import SHORTEST, GatedLayer, in_rows

LAYERS = [(2, 1, "zero"), (4, 1, "zero"), (4, 8, "zero"), (3, 4, "drop"), (4, 2, "drop"), (1, 1, "drop")]
"""Kernel, dilation and edges."""


def halo(layer: GatedLayer) -> tuple[int, int]:
    total = layer.dilation * (layer.gate.kernel_size[1] - 1)
    return total // 2, total - total // 2


def plain(layer: GatedLayer, signal: torch.Tensor) -> torch.Tensor:
    before, after = halo(layer)
    padded = signal if layer.drops else F.pad(signal, (before, after))
    halves = zip(layer.gate.weight.chunk(2), layer.gate.bias.chunk(2), strict=True)
    tanh, sigmoid = (F.conv2d(padded, weight, bias, dilation=(1, layer.dilation)) for weight, bias in halves)
    return padded[..., before : padded.shape[-1] - after] + layer.leave(tanh.tanh() * sigmoid.sigmoid())


def made(kernel: int, dilation: int, edges: str, filters: int = 3) -> GatedLayer:
    with torch.random.fork_rng():
        torch.manual_seed(kernel + dilation)
        return GatedLayer(filters, kernel, dilation, edges)


def signals(*shape: int) -> torch.Tensor:
    signal = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    return signal.contiguous(memory_format=torch.channels_last)


def gradients(of, layer: GatedLayer, signal: torch.Tensor) -> list[torch.Tensor]:
    signal = signal.clone().requires_grad_()
    result = of(signal)
    slope = torch.randn(result.shape, generator=torch.Generator().manual_seed(1)).to(result)
    return [result, *torch.autograd.grad(result, [signal, *layer.parameters()], slope)]


@pytest.mark.parametrize(("kernel", "dilation", "edges"), LAYERS)
def test_its_gradients_are_those_of_finite_differences(kernel, dilation, edges):
    layer = made(kernel, dilation, edges).double()
    signal = signals(1, 3, 2, 31).double().requires_grad_()
    names, weights = zip(*layer.named_parameters(), strict=True)

    def of(given, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), given)

    assert torch.autograd.gradcheck(of, (signal, *weights))


# Rows are cut at 2 x SHORTEST samples and more, and only if they can all have the same length.
@pytest.mark.parametrize("n_samples", [40, 2 * SHORTEST, 3 * SHORTEST + 1, 8 * SHORTEST])
@pytest.mark.parametrize(("kernel", "dilation", "edges"), LAYERS)
def test_output_and_gradients_are_those_of_the_plain_formula(kernel, dilation, edges, n_samples):
    layer = made(kernel, dilation, edges).double()
    signal = signals(2, 3, 4, n_samples + (sum(halo(layer)) if layer.drops else 0)).double()
    expected = gradients(lambda given: plain(layer, given), layer, signal)
    for one, other in zip(gradients(layer, layer, signal), expected, strict=True):
        torch.testing.assert_close(one, other)


def test_rows_are_the_parts_of_the_signal_in_order():
    signal = torch.arange(2 * 3 * 4 * 14.0).reshape(2, 3, 4, 14)
    rows = in_rows(signal, 4, 2)  # three parts of 4 samples, and 2 more samples each
    assert rows.shape == (2 * 4 * 3, 3, 1, 6)
    for number, (window, derivation, part) in enumerate(torch.cartesian_prod(*map(torch.arange, (2, 4, 3)))):
        assert torch.equal(rows[number, :, 0], signal[window, :, derivation, 4 * part : 4 * part + 6])


def test_only_the_gradients_that_are_needed_are_computed():
    layer, signal = made(4, 2, "zero").requires_grad_(False), signals(1, 3, 2, 50).requires_grad_()
    layer(signal).sum().backward()
    assert signal.grad is not None
    assert all(weight.grad is None for weight in layer.parameters())
    layer.requires_grad_(True)
    layer(signals(1, 3, 2, 50)).sum().backward()
    assert all(weight.grad is not None for weight in layer.parameters())


def test_two_passes_give_the_same_gradients_to_the_bit():
    layer, signal = made(4, 4, "zero", filters=16), signals(3, 16, 8, 4 * SHORTEST)
    for one, other in zip(gradients(layer, layer, signal), gradients(layer, layer, signal), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("edges", ["zero", "drop"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_gradients_in_mixed_precision_are_close(edges, dtype):
    layer, signal = made(4, 4, edges, filters=16), signals(2, 16, 4, 600)

    def mixed(given):
        with torch.autocast("cpu", torch.bfloat16):
            return layer(given.to(dtype))

    exact, rounded = gradients(layer, layer, signal), gradients(mixed, layer, signal)
    for one, other in zip(rounded, exact, strict=True):
        # bfloat16 has 8 bits: 0.4 % per rounding, of a few.
        assert (one - other).norm() < 0.02 * other.norm()
    assert [value.dtype for value in rounded[2:]] == [torch.float32] * 4


def test_frozen_gates_still_pass_gradients_to_what_follows():
    layer = made(4, 2, "zero")
    layer.gate.requires_grad_(False)
    layer(signals(1, 3, 2, 50)).sum().backward()
    assert layer.leave.weight.grad is not None
    assert layer.gate.weight.grad is None
