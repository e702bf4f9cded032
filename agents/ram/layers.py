"""What the networks are made of: matrix products as fast as the processor has them, and layers that need not be worked out twice.

Axes: N rows (lanes, or steps times lanes), T steps, I inputs, O outputs, H units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Activations:
    """What layers made while an episode was played, without gradient: learning follows at once, with the same weights, and need not
    make it again.

    Steps are kept one by one; from `close` on, all of them are known.
    """

    def __init__(self) -> None:
        self._steps: dict[str, list[Tensor]] = {}
        self._whole = False

    def keep(self, **made: Tensor) -> None:
        """Keeps what was made at this step, by name."""
        if not self._whole:
            for name, value in made.items():
                self._steps.setdefault(name, []).append(value)

    def close(self) -> None:
        """No step follows."""
        self._whole = True

    def steps(self, *names: str) -> list[list[Tensor]] | None:
        """What was made under those names, step by step; None before `close`."""
        return [self._steps[name] for name in names] if self._whole else None

    def known(self, name: str) -> Tensor | None:
        """What was made under that name at all steps (T * N, ...); None before `close`."""
        return torch.cat(self._steps[name]) if self._whole else None


WORTH_IT = 2**21  # multiplications from which oneDNN's lead makes good what calling it costs


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None, plus: Tensor | None = None) -> Tensor:
    """x W^T + bias + plus: (N, I) and (O, I) -> (N, O), without gradient; in autocast's type, where that is on."""
    kind = product_type(x)
    if kind != x.dtype:
        x, bias = x.to(kind), None if bias is None else bias.to(kind)
    if kind != weight.dtype:
        weight = weight.to(kind)
    elif (fast := _onednn(x, weight)) is not None:
        return fast(x, weight, bias, plus)
    made = functional.linear(x, weight, bias)
    return made if plus is None else made.add_(plus)


def product_type(x: Tensor) -> torch.dtype:
    """The type that products with x are made in: autocast's, where that is on."""
    device = x.device.type
    if _casts(device) and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return x.dtype


@cache
def _casts(device: str) -> bool:
    """Whether there is autocast on such a device."""
    return torch.amp.is_autocast_available(device)


def _onednn(x: Tensor, weight: Tensor) -> Callable[[Tensor, Tensor, Tensor | None, Tensor | None], Tensor] | None:
    """oneDNN's product in float32; None where it is not worth calling, cannot be had, or less than float32 will do."""
    if x.shape[0] * weight.numel() < WORTH_IT or x.dtype != torch.float32 or x.device.type != "cpu":
        return None
    if torch.get_float32_matmul_precision() != "highest" or not (_whole(x) and _whole(weight)):
        return None
    return _try_onednn()


def _whole(matrix: Tensor) -> bool:
    """Whether its numbers lie side by side, by rows or by columns: for parts of matrices oneDNN may take a thousand times as long."""
    return matrix.is_contiguous() or matrix.t().is_contiguous()


@cache
def _try_onednn() -> Callable[[Tensor, Tensor, Tensor | None, Tensor | None], Tensor] | None:
    """oneDNN's product, if it works.

    PyTorch hands such products to MKL, which makes half as many a second on AMD's processors. Only `torch.compile` takes oneDNN's
    instead, under a name that is not public: so it is tried first.
    """
    try:
        plain = torch.ops.mkldnn._linear_pointwise.default
        adding = torch.ops.mkldnn._linear_pointwise.binary

        def fast(x: Tensor, weight: Tensor, bias: Tensor | None, plus: Tensor | None) -> Tensor:
            made: Tensor = (
                plain(x, weight, bias, "none", [], "") if plus is None else adding(x, plus, weight, bias, "add")
            )
            return made

        x, weight, plus = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(3, 4).t(), torch.ones(2, 4)
        expected = x @ weight.t() + 2
        works = torch.equal(fast(x, weight, plus[0], plus), expected)
    except Exception:  # whatever a PyTorch without it says
        return None
    return fast if works else None


def linear(x: Tensor, layer: nn.Linear, known: Tensor | None = None) -> Tensor:
    """Linear(x): (..., I) -> (..., O).

    Args:
        x: the input.
        layer: the layer.
        known: the values (N, O), if they were made already; then only the gradient is left to be worked out.
    """
    rows = x.flatten(0, -2)
    if torch.is_grad_enabled():
        made: Tensor = _Linear.apply(known, rows, layer.weight, layer.bias)  # type: ignore[no-untyped-call]
    else:
        made = product(rows, layer.weight, layer.bias)
    return made.view(*x.shape[:-1], -1)


class _Linear(torch.autograd.Function):
    """x W^T + b."""

    @staticmethod
    def forward(ctx: Any, known: Tensor | None, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Values known or None, x, W and b."""
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias) if known is None else known

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x, W and b."""
        x, weight = ctx.saved_tensors
        down = gradient.contiguous()
        of_x = product(down, weight.to(down.dtype).t()) if ctx.needs_input_grad[1] else None
        return None, of_x, product(down.t(), x.to(down.dtype).t()), down.sum(0)


def rectified(*parts: tuple[Tensor, nn.Linear], known: Tensor | None = None) -> Tensor:
    """Rect(sum of Linear(x)): inputs (N, I), each with its layer, -> (N, O).

    Args:
        parts: the inputs and their layers.
        known: the values, if they were made already; then only the gradient is left to be worked out.
    """
    flat = [tensor for x, layer in parts for tensor in (x, layer.weight, layer.bias)]
    if known is None and not torch.is_grad_enabled():
        return _rectified_sum(flat)
    made: Tensor = _Rectified.apply(known, *flat)  # type: ignore[no-untyped-call]
    return made


def _rectified_sum(flat: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    made: Tensor | None = None
    for x, weight, bias in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        made = product(x, weight, bias, made)
    assert made is not None
    return made.relu_()


class _Rectified(torch.autograd.Function):
    """Rect(x_1 W_1^T + b_1 + x_2 W_2^T + b_2 + ...)."""

    @staticmethod
    def forward(ctx: Any, known: Tensor | None, *flat: Tensor) -> Tensor:
        """Values known or None, and x, W, b of each part."""
        made = _rectified_sum(flat) if known is None else known
        ctx.save_for_backward(made, *flat)
        return made

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of each part's x, W and b."""
        made, *flat = ctx.saved_tensors
        down = torch.ops.aten.threshold_backward(gradient, made, 0)
        found: list[Tensor | None] = [None]
        for place in range(0, len(flat), 3):
            x, weight = flat[place : place + 2]
            of_x = product(down, weight.to(down.dtype).t()) if ctx.needs_input_grad[1 + place] else None
            found += [of_x, product(down.t(), x.to(down.dtype).t()), down.sum(0)]
        return tuple(found)


def convolved(x: Tensor, layer: nn.Conv2d, known: Tensor | None = None) -> Tensor:
    """Rect(Conv(x)), without padding: planes (N, C, h, w) -> (N, D, h', w').

    Args:
        x: the planes.
        layer: the convolution.
        known: the values, if they were made already.
    """
    made: Tensor = _Convolved.apply(known, x, layer.weight, layer.bias, layer.stride)  # type: ignore[no-untyped-call]
    return made


class _Convolved(torch.autograd.Function):
    """Rect(W * x + b)."""

    @staticmethod
    def forward(
        ctx: Any, known: Tensor | None, x: Tensor, weight: Tensor, bias: Tensor, stride: tuple[int, ...]
    ) -> Tensor:
        """Values known or None, x, W, b, and how far the filters move."""
        made = functional.conv2d(x, weight, bias, stride).relu_() if known is None else known
        ctx.save_for_backward(made, x, weight)
        ctx.stride = stride
        return made

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x, W and b."""
        made, x, weight = ctx.saved_tensors
        down = torch.ops.aten.threshold_backward(gradient, made, 0)
        size, needs = [len(weight)], [ctx.needs_input_grad[1], True, True]
        ends = ctx.stride, [0, 0], [1, 1], False, [0, 0], 1, needs
        found = torch.ops.aten.convolution_backward(down, x.to(down.dtype), weight.to(down.dtype), size, *ends)
        return None, *found, None


class RectifierSteps(torch.autograd.Function):
    """h_t = Rect(W h_{t-1} + U x_t + b) from a state of zeros. Going back, only the states' gradient goes from step to step; those of
    the weights are products over the rows of all steps."""

    @staticmethod
    def forward(ctx: Any, known: Tensor | None, x: Tensor, inward: Tensor, recurrent: Tensor, bias: Tensor) -> Tensor:
        """Values known or None, x_t (T, N, I), U (H, I), W (H, H) and b (H,) -> h_t (T, N, H)."""
        if known is None:
            driven = product(x.flatten(0, 1), inward, bias).view(*x.shape[:2], -1)
            hidden = [driven[0].relu()]
            for step in range(1, len(driven)):
                hidden.append(product(hidden[-1], recurrent, plus=driven[step]).relu_())
            known = torch.stack(hidden)
        states = known.view(*x.shape[:2], -1)
        ctx.save_for_backward(states, x, inward, recurrent)
        return states

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x_t, U, W and b."""
        states, x, inward, recurrent = ctx.saved_tensors
        gradient, kind = gradient.contiguous(), gradient.dtype
        down, back, of_step = torch.empty_like(gradient), recurrent.to(kind).t(), gradient[-1]
        steps = [*zip(states.unbind(), down.unbind(), (None, *gradient.unbind()), strict=False)]
        for state, here, before in reversed(steps):
            torch.ops.aten.threshold_backward.grad_input(of_step, state, 0, grad_input=here)
            if before is not None:
                of_step = product(here, back, plus=before)
        rows = down.flatten(0, 1)
        of_x = product(rows, inward.to(kind).t()).view(x.shape) if ctx.needs_input_grad[1] else None
        of_inward = product(rows.t(), x.flatten(0, 1).to(kind).t())
        of_recurrent = product(down[1:].flatten(0, 1).t(), states[:-1].flatten(0, 1).to(kind).t())
        return None, of_x, of_inward, of_recurrent, rows.sum(0)


def lstm_step(x: Tensor, hidden: Tensor, cell: Tensor, weights: nn.LSTMCell) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One step of a layer of LSTM units, without gradient: x (N, I), h and c (N, H) -> the gates (N, 4 H), c, tanh c and h after it."""
    driven = product(x, weights.weight_ih, weights.bias_ih)
    return _lstm_step(product(hidden, weights.weight_hh, weights.bias_hh, plus=driven), cell)


def lstm_after(x: Tensor, hidden: Tensor, cell: Tensor, weights: nn.LSTMCell) -> Tensor:
    """What h would be after each of K inputs, without gradient: x (T, K, N, I), h and c before (T, N, H) -> (T, K, N, H). What the state
    drives is made once for all of them."""
    driven = product(x.flatten(0, 2), weights.weight_ih, weights.bias_ih).view(*x.shape[:3], -1)
    recurrent = product(hidden.flatten(0, 1), weights.weight_hh, weights.bias_hh).view(*hidden.shape[:2], -1)
    return _lstm_step(driven.add_(recurrent[:, None]), cell[:, None])[-1]


def _lstm_step(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What drives the gates (..., 4 H), overwritten, and c (..., H) -> the gates (..., 4 H), c, tanh c and h after it."""
    gates, size = gates.to(cell.dtype), cell.shape[-1]
    enter, forget, new, leave = gates.chunk(4, -1)
    gates[..., : 2 * size].sigmoid_()
    _tanh_(new)
    leave.sigmoid_()
    cell = (forget * cell).addcmul_(enter, new)
    shown = _tanh_(cell.clone())
    return gates, cell, shown, leave * shown


def _tanh_(x: Tensor) -> Tensor:
    """tanh x in its place; on a processor as 2 sigmoid(2 x) - 1, which takes PyTorch a fifth of the time and differs by rounding."""
    return x.tanh_() if x.device.type != "cpu" else x.mul_(2).sigmoid_().mul_(2).sub_(1)


@dataclass(frozen=True)
class Start:
    """Where steps start whose episodes began before or begin among them.

    Attributes:
        hidden, cell: (N, H), h and c before the first step, constants.
        stays: (T, N, 1), 0 at the first step of an episode, which finds a state of zeros; 1 at the others. The first is heeded in `hidden` and `cell`.
    """

    hidden: Tensor
    cell: Tensor
    stays: Tensor


class LSTMSteps(torch.autograd.Function):
    """A layer of LSTM units. Going back, only the states' gradient goes from step to step; those of the weights
    are products over the rows of all steps."""

    @staticmethod
    def forward(
        ctx: Any,
        known: list[list[Tensor]] | None,
        start: Start | None,
        x: Tensor,
        inward: Tensor,
        recurrent: Tensor,
        bias: Tensor,
    ) -> Tensor:
        """Gates, c, tanh c and h of each step or None, where it starts or None for zeros, x_t (T, N, I), U (4 H, I), W (4 H, H) and
        b (4 H,) -> h_t (T, N, H)."""
        if known is None:
            known = LSTMSteps._steps(start, x, inward, recurrent, bias)
        *ctx.made, hidden = known
        states = torch.stack(hidden)
        ctx.save_for_backward(states, x, inward, recurrent)
        ctx.kind, ctx.start = product_type(x), start
        return states

    @staticmethod
    def _steps(start: Start | None, x: Tensor, inward: Tensor, recurrent: Tensor, bias: Tensor) -> list[list[Tensor]]:
        driven = product(x.flatten(0, 1), inward, bias).view(*x.shape[:2], -1)
        hidden = cell = x.new_zeros(x.shape[1], recurrent.shape[1], dtype=recurrent.dtype)
        if start is not None:
            hidden, cell = start.hidden, start.cell
        steps = []
        for step, given in enumerate(driven):
            if start is not None and step:
                hidden, cell = hidden * start.stays[step], cell * start.stays[step]
            steps.append(_lstm_step(product(hidden, recurrent, plus=given), cell))
            _, cell, _, hidden = steps[-1]
        return [*map(list, zip(*steps, strict=True))]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x_t, U, W and b."""
        states, x, inward, recurrent = ctx.saved_tensors
        start: Start | None = ctx.start
        gradient, kind, back = gradient.contiguous(), ctx.kind, recurrent.to(ctx.kind).t()
        down = gradient.new_empty(*states.shape[:2], len(recurrent))  # of what drives the gates
        of_hidden, of_cell = gradient[-1], torch.zeros_like(gradient[-1])
        of_earlier, places = gradient.to(kind).unbind(), down.unbind()
        for step in range(len(states) - 1, -1, -1):
            gates, _, shown = (of_step[step] for of_step in ctx.made)
            before = ctx.made[1][step - 1] if step else torch.zeros_like(of_cell)
            if start is not None:
                before = before * start.stays[step] if step else start.cell
            of_cell = _lstm_back(of_hidden, of_cell, gates, before, shown, places[step])
            if step and start is None:
                of_hidden = product(places[step].to(kind), back, plus=of_earlier[step - 1]).to(gradient.dtype)
            elif step and start is not None:  # nothing goes back beyond an episode's first step
                of_cell = of_cell.mul_(start.stays[step])
                of_hidden = (
                    product(places[step].to(kind), back).to(gradient.dtype) * start.stays[step] + gradient[step - 1]
                )
        rows = down.flatten(0, 1).to(kind)
        of_x = product(rows, inward.to(kind).t()).view(x.shape) if ctx.needs_input_grad[2] else None
        of_inward = product(
            x.flatten(0, 1).to(kind).t(), rows.t()
        ).t()  # so, as the wider of the two, it takes a fifth less
        if start is None:
            of_recurrent = product(states[:-1].flatten(0, 1).to(kind).t(), rows[states.shape[1] :].t()).t()
        else:
            earlier = torch.cat([start.hidden[None], states[:-1] * start.stays[1:]])
            of_recurrent = product(earlier.flatten(0, 1).to(kind).t(), rows.t()).t()
        return None, None, of_x, of_inward, of_recurrent, rows.sum(0)


def _lstm_back(
    of_hidden: Tensor, of_cell: Tensor, gates: Tensor, before: Tensor, shown: Tensor, down: Tensor
) -> Tensor:
    """One step back: the gradients of h and c, what the step made, and c before it -> the gradient of that; writes the gradient
    of what drives the gates to `down`."""
    sigmoid, tanh, size = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward, shown.shape[1]
    enter, forget, new, leave = gates.chunk(4, 1)
    of_cell = tanh(of_hidden * leave, shown).add_(of_cell)
    to_enter, to_forget, to_new, to_leave = down.chunk(4, 1)
    torch.mul(of_cell, new, out=to_enter)
    torch.mul(of_cell, before, out=to_forget)
    torch.mul(of_hidden, shown, out=to_leave)
    sigmoid.grad_input(down[:, : 2 * size], gates[:, : 2 * size], grad_input=down[:, : 2 * size])
    tanh.grad_input(of_cell * enter, new, grad_input=to_new)
    sigmoid.grad_input(to_leave, leave, grad_input=to_leave)
    return of_cell.mul_(forget)
