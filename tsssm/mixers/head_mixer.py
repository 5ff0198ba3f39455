"""What mixers share whose heads each keep one decayed sum of products of keys and values."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from tsssm_kernels import DecayState, decay_attention, decay_attention_step

from .heads import check_heads, split_heads
from .swiglu_behind import SwiGLUBehind

__all__ = ["HeadInputs", "HeadMixer"]


class HeadInputs(NamedTuple):
    """What `tsssm_kernels.decay_attention` takes, by its names there, and a gate on what it gives.

    Of a sequence or of one step: the leading axes ``...`` are (batch, length) or (batch,).

    Attributes
    ----------
    q, k : Tensor, (..., n_heads, K)
    v : Tensor, (..., n_heads, V)
    log_decay : Tensor, (..., n_heads) or (..., n_heads, K), optional
    angles : Tensor, (n_heads, K / 2), optional
    input_gate : Tensor, (..., n_heads), optional
    output_gate : Tensor, (..., n_heads * V), optional
    """

    q: Tensor
    k: Tensor
    v: Tensor
    log_decay: Tensor | None = None
    angles: Tensor | None = None
    input_gate: Tensor | None = None
    output_gate: Tensor | None = None


class HeadMixer(SwiGLUBehind):
    """Heads around `tsssm_kernels.decay_attention`; a subclass says what goes in (`_project`) and out (`_out`).

    Parameters
    ----------
    d_model, layer_index, n_layers, n_heads, mlp_width
        As in every such mixer.
    widths : tuple of int
        Channels of queries, keys and values over all heads, and of what else is projected from the token with them.
    even : bool, default False
        Whether heads must have an even number of channels.
    bias : bool, default False
        Whether the projection has a bias.

    Attributes
    ----------
    State : class attribute
        The mixer's state, a NamedTuple of fields of `tsssm_kernels.DecayState`.
    normalizer, eps : class attributes
        As in `tsssm_kernels.decay_attention`.
    head_size : int
        Channels of a head: ``d_model / n_heads``.

    Examples
    --------
    >>> class Memory(NamedTuple):
    ...     memory: Tensor
    >>> class Sums(HeadMixer):
    ...     State = Memory
    ...
    ...     def __init__(self, d_model, *, layer_index=0, n_layers=1, n_heads=2):
    ...         super().__init__(d_model, layer_index, n_layers, n_heads, None, widths=(d_model, d_model, d_model))
    ...         self.out_projection = nn.Linear(d_model, d_model)
    ...
    ...     def _project(self, x):
    ...         return HeadInputs(*self._rows(x))
    >>> y, state = Sums(8)(torch.randn(3, 10, 8))
    >>> y.shape, state.memory.shape
    (torch.Size([3, 10, 8]), torch.Size([3, 2, 4, 4]))
    """

    state_setting = "n_heads"
    State: ClassVar[Any]
    normalizer: ClassVar[str | None] = None
    eps: ClassVar[float] = 1e-6
    out_projection: nn.Linear

    def __init__(
        self,
        d_model: int,
        layer_index: int,
        n_layers: int,
        n_heads: int,
        mlp_width: int | None,
        *,
        widths: tuple[int, ...],
        even: bool = False,
        bias: bool = False,
    ):
        super().__init__(d_model, layer_index, n_layers, mlp_width)
        check_heads(self.name, d_model, n_heads, multiple=2 if even else 1)
        self.n_heads, self.head_size, self.widths = n_heads, d_model // n_heads, widths
        self.in_projection = nn.Linear(d_model, sum(widths), bias=bias)

    def forward(
        self,
        x: Tensor,
        state: Any = None,
        resets: Tensor | None = None,
        time_gaps: Tensor | None = None,
        shared: dict[str, Any] | None = None,
    ) -> tuple[Tensor, Any]:
        """Mix a whole sequence, see `Mixer.forward`; `time_gaps` scale the logarithms of decays, and the angles."""
        inputs = self._project(x)
        y, after = decay_attention(
            inputs.q,
            inputs.k,
            inputs.v,
            inputs.log_decay,
            **self._options(inputs),
            time_gaps=None if inputs.log_decay is None else time_gaps,
            initial_state=None if state is None else DecayState(**state._asdict()),
            resets=resets,
        )
        return self._out(y, inputs.output_gate), self._own_state(after)

    def step(self, x_t: Tensor, state: Any, shared: dict[str, Any] | None = None) -> tuple[Tensor, Any]:
        """Mix one step, see `Mixer.step`."""
        inputs, before = self._project(x_t), DecayState(**state._asdict())
        y, after = decay_attention_step(inputs.q, inputs.k, inputs.v, before, inputs.log_decay, **self._options(inputs))
        return self._out(y, inputs.output_gate), self._own_state(after)

    def initial_state(
        self, batch_size: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Any:
        """Zeros, see `Mixer.initial_state`."""
        device, dtype = self._placement(device, dtype)
        keys, values = self._memory_shape()
        of_head: dict[str, tuple[int, ...]] = {
            "memory": (keys, values),
            "key_sum": (keys,),
            "decay_sum": (),
            "scale": (),
        }
        shapes = [(batch_size, self.n_heads, *of_head[part]) for part in self.State._fields]
        wide = torch.promote_types(dtype, torch.float32)
        return self.State(*(torch.zeros(shape, device=device, dtype=wide) for shape in shapes))

    @abstractmethod
    def _project(self, x: Tensor) -> HeadInputs:
        """From tokens (..., d_model) to what the heads take."""

    def _out(self, y: Tensor, output_gate: Any) -> Tensor:
        """From what the heads give, (..., n_heads, V), to (..., d_model)."""
        return self.out_projection(y.flatten(-2))

    def _rows(self, x: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values by heads, and what else is projected, not cut into heads."""
        q, k, v, *rest = self.in_projection(x).split(self.widths, dim=-1)
        return *(split_heads(part, self.n_heads) for part in (q, k, v)), *rest

    def _memory_shape(self) -> tuple[int, int]:
        """Rows and columns of a head's memory: those of its keys and values, if keys enter as they are projected."""
        return self.widths[1] // self.n_heads, self.widths[2] // self.n_heads

    def _options(self, inputs: HeadInputs) -> dict[str, Any]:
        return {
            "angles": inputs.angles,
            "input_gate": inputs.input_gate,
            "normalizer": self.normalizer,
            "eps": self.eps,
        }

    def _own_state(self, state: DecayState) -> Any:
        return self.State(*(getattr(state, part) for part in self.State._fields))
