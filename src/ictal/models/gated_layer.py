"""The gated dilated convolution of WaveNet, with a backward pass of its own."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

SHORTEST = 250
"""Samples, at least, of the rows over which gradients of weights are summed."""


class GatedLayer(nn.Module):
    """tanh(conv) x sigmoid(conv) at one dilation, a 1x1 convolution, and a residual sum."""

    twice: Tensor

    def __init__(self, filters: int, kernel: int, dilation: int, edges: str) -> None:
        super().__init__()
        # One convolution for the tanh and the sigmoid half makes one pass over the data.
        self.gate = nn.Conv2d(filters, 2 * filters, (1, kernel), dilation=(1, dilation))
        self.leave = nn.Conv2d(filters, filters, 1)
        self.dilation = dilation
        total = dilation * (kernel - 1)
        self.padding = (total // 2, total - total // 2)
        self.drops = edges == "drop"
        twice = torch.tensor([2.0, 1.0]).repeat_interleave(filters)
        self.register_buffer("twice", twice, persistent=False)

    def forward(self, signal: Tensor) -> Tensor:
        """Return the layer's output, as long as its input except for dropped edges."""
        if torch.compiler.is_exporting():
            return self._exported(signal)
        # tanh(x) = 2 sigmoid(2 x) - 1: one sigmoid over both halves takes half the time of a tanh and a sigmoid
        # over one half each. The factor is applied to the weights, which are few.
        assert self.gate.bias is not None
        gate = self.gate.weight * self.twice[:, None, None, None], self.gate.bias * self.twice
        # The product is computed with the opposite sign, which saves a pass over the data.
        leave = -self.leave.weight, self.leave.bias
        passed: Tensor = GatedSum.apply(signal, self.dilation, self.drops, *gate, *leave)
        return passed

    def _exported(self, signal: Tensor) -> Tensor:
        """Return the same as engines compute it fastest; an exported network drops all edges at its end.

        They fuse a convolution with the function after it, if that is alone.
        """
        weight, bias, n = self.gate.weight, self.gate.bias, self.gate.out_channels // 2
        assert bias is not None
        halves, padded = ((weight[:n], bias[:n]), (weight[n:], bias[n:])), F.pad(signal, self.padding)
        ahead, gates = (F.conv2d(padded, *half, dilation=(1, self.dilation)) for half in halves)
        left: Tensor = self.leave(ahead.tanh() * gates.sigmoid())
        return signal + left


class GatedSum(torch.autograd.Function):
    """signal + leave((1 - 2 t) s), where t and s are the halves of sigmoid(gate(signal)).

    The derivative of a sigmoid follows from its output, so that less is kept for the backward pass than torch keeps,
    and fewer passes over it are needed. `signal` is [batch, channel, derivation, time].
    """

    @staticmethod
    def forward(ctx: Any, signal: Tensor, dilation: int, drops: bool, *weights: Tensor) -> Tensor:
        """Return the sum, given weights and biases of the gate and of the 1x1 convolution."""
        gate, gate_bias, leave, leave_bias = weights
        halo = dilation * (gate.shape[3] - 1)
        before = halo // 2
        padded = signal if drops else F.pad(signal, (before, halo - before))
        gates = F.conv2d(padded, gate, gate_bias, dilation=(1, dilation)).sigmoid_()
        tanh, sigmoid = gates.chunk(2, dim=1)
        gated = torch.addcmul(sigmoid, tanh, sigmoid, value=-2)
        ctx.save_for_backward(padded, gates, gated, gate, leave)
        ctx.dilation, ctx.drops, ctx.middle = dilation, drops, (3, before, gates.shape[3])
        kept = signal.narrow(*ctx.middle) if drops else signal
        return F.conv2d(gated, leave, leave_bias).add_(kept)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients, given that of the sum."""
        padded, gates, gated, gate, leave = ctx.saved_tensors
        n, dilation = gated.shape[1], ctx.dilation
        gate_learns, leave_learns = any(ctx.needs_input_grad[3:5]), any(ctx.needs_input_grad[5:])
        tanh, sigmoid = gates.chunk(2, dim=1)
        slope = slope.contiguous(memory_format=torch.channels_last)
        of_leave = _of_weights(slope, gated, leave) if leave_learns else (None, None)
        of_gated = _of_signal(slope, gated, leave)

        of_gates = torch.empty_like(gates)
        of_tanh, of_sigmoid = of_gates.chunk(2, dim=1)
        torch.mul(of_gated, sigmoid, out=of_tanh)
        # The factor -2 of this half is applied to the weights, which are few.
        torch.ops.aten.sigmoid_backward.grad_input(of_tanh, tanh, grad_input=of_tanh)
        of_gated.mul_(gated)
        torch.addcmul(of_gated, of_gated, sigmoid, value=-1, out=of_sigmoid)

        of_gate = _of_weights(of_gates, padded, gate, dilation) if gate_learns else (None, None)
        for weights in of_gate:
            if weights is not None:
                weights[:n] *= -2
        of_padded = _of_signal(of_gates, padded, torch.cat([-2 * gate[:n], gate[n:]]), dilation)
        if ctx.drops:
            of_padded.narrow(*ctx.middle).add_(slope)
        else:
            of_padded = of_padded.narrow(*ctx.middle) + slope
        return of_padded, None, None, *of_gate, *of_leave


def _of_signal(slope: Tensor, signal: Tensor, weight: Tensor, dilation: int = 1) -> Tensor:
    """Return the gradient of a convolution's input, given that of its output."""
    return _backward(slope, signal, weight, dilation, [True, False, False])[0]


def _of_weights(slope: Tensor, signal: Tensor, weight: Tensor, dilation: int = 1) -> tuple[Tensor, Tensor]:
    """Return the gradients of a convolution's weights and biases, given that of its output."""
    # oneDNN sums over whole rows. Rows of 2,000 samples leave the CPU's cache, and take 1.4 times as long.
    n_samples, halo = slope.shape[3], signal.shape[3] - slope.shape[3]
    most = max(1, n_samples // max(SHORTEST, 2 * halo))
    length = n_samples // next(parts for parts in range(most, 0, -1) if n_samples % parts == 0)
    _, weights, biases = _backward(
        in_rows(slope, length, 0), in_rows(signal, length, halo), weight, dilation, [False, True, True]
    )
    return weights, biases


def in_rows(signal: Tensor, length: int, halo: int) -> Tensor:
    """Return the parts of a signal, overlapping by a halo: [batch x derivation x part, channel, 1, length + halo]."""
    rows = signal.unfold(3, length + halo, length).permute(0, 2, 3, 4, 1)
    return rows.reshape(-1, 1, length + halo, signal.shape[1]).permute(0, 3, 1, 2)


def _backward(slope: Tensor, signal: Tensor, weight: Tensor, dilation: int, wanted: list[bool]) -> list[Tensor]:
    signal, weight = signal.to(slope.dtype), weight.to(slope.dtype)  # which may be float32 in mixed precision
    places = [1, 1], [0, 0], [1, dilation]
    found: list[Tensor] = torch.ops.aten.convolution_backward(
        slope, signal, weight, [len(weight)], *places, False, [0, 0], 1, wanted
    )
    return found
