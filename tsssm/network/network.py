"""The causal forecasting network: embedding, blocks, head; tensors in and out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from tsssm.mixers import Mixer
from tsssm.mixers.stack_settings import settings_of
from tsssm.network.block import Block
from tsssm.network.head import QuantileHead
from tsssm.network.patches import token_width

__all__ = ["ForecastNetwork"]


class ForecastNetwork(nn.Module):
    """Tokens of P observations in; at every token, quantiles of the next `horizon` steps out.

    One definition run three ways: `forward` over whole sequences (training, batch prediction), `forward` over pieces
    with the state handed on, and `step` on one token (streaming). The three agree to rounding.

    Parameters
    ----------
    mixers : sequence of Mixer types
        The sequence mixer of each layer. Each has a residual block, and so has its channel mixer, if it asks for one.
    patch_length : int
        Observations of a token.
    n_covariates : int
        Known-future inputs of an observation.
    horizon : int
        Steps ahead.
    levels : sequence of float
        Increasing quantile levels, 0.5 among them.
    d_model : int
        Width.
    dropout : float
        Share of each mixer's output dropped in training; the embedding is left whole, for dropping values blurs them.
    mixer_settings : mapping, optional
        The mixers' own settings: a plain name goes to every mixer that has it, ``attention__window`` to that one.

    Examples
    --------
    >>> import torch
    >>> from tsssm.mixers import Mamba
    >>> network = ForecastNetwork([Mamba], patch_length=4, n_covariates=0, horizon=3, levels=(0.1, 0.5, 0.9),
    ...                           d_model=16, dropout=0.0)
    >>> hidden, state = network(torch.randn(2, 6, 8))
    >>> network.head(hidden, None).shape
    torch.Size([2, 6, 3, 3])
    """

    def __init__(
        self,
        mixers: Sequence[type[Mixer]],
        *,
        patch_length: int,
        n_covariates: int,
        horizon: int,
        levels: Sequence[float],
        d_model: int = 64,
        dropout: float = 0.2,
        mixer_settings: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self.patch_length, self.horizon = patch_length, horizon
        self.embedding = nn.Linear(token_width(patch_length, n_covariates), d_model)
        self.blocks: Iterable[Block] = nn.ModuleList(  # type: ignore[assignment]
            Block(nn.RMSNorm(d_model, eps=1e-5), part, dropout)
            for i, mixer in enumerate(mixers)
            for part in _with_channel_mixer(
                mixer(d_model, layer_index=i, n_layers=len(mixers), **settings_of(mixer, mixer_settings))
            )
        )
        self.norm = nn.RMSNorm(d_model, eps=1e-5)
        self.head = QuantileHead(d_model, horizon=horizon, n_covariates=n_covariates, levels=levels)

    def forward(self, tokens: Tensor, state: tuple | None = None, resets: Tensor | None = None):
        """Run a sequence.

        Parameters
        ----------
        tokens : Tensor, (B, T, width)
            From `tsssm.network.token_features`.
        state : tuple or None
            One entry a block, as returned; None starts from the initial state.
        resets : Tensor, (B, T) bool, optional
            Tokens that start a new sequence.

        Returns
        -------
        hidden : Tensor, (B, T, d_model)
            What the head speaks from.
        state : tuple
            After the last token.
        """
        x = self.embedding(tokens).to(self.norm.weight.dtype)  # the residual stream stays whole under autocast
        shared: dict[str, Any] = {}
        states = []
        for i, block in enumerate(self.blocks):
            x, block_state = block(x, None if state is None else state[i], resets, shared)
            states.append(block_state)
        return self.norm(x), tuple(states)

    def step(self, token: Tensor, state: tuple):
        """Run one token, (B, width), from `state`; returns its hidden features, (B, d_model), and the new state."""
        x = self.embedding(token)
        shared: dict[str, Any] = {}
        states = []
        for block, block_state in zip(self.blocks, state):
            x, block_state = block.step(x, block_state, shared)
            states.append(block_state)
        return self.norm(x), tuple(states)

    def initial_state(self, batch_size: int) -> tuple:
        """The state before any token."""
        return tuple(block.mixer.initial_state(batch_size) for block in self.blocks)

    def state_bytes(self) -> int:
        """Bytes of the blocks' state for one series and one phase."""
        return sum(block.mixer.state_bytes() for block in self.blocks)


def _with_channel_mixer(mixer: Mixer) -> Iterator[Mixer]:
    yield mixer
    channel = mixer.channel_mixer()
    if channel is not None:
        yield channel
