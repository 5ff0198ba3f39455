"""From the last observations to the features of their token: what a stream asks of the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from tsssm.network.network import ForecastNetwork
from tsssm.network.patches import token_features
from tsssm_kernels import CannotCompileError, CompiledStep, compile_step

__all__ = ["TokenStep"]


class TokenStep:
    """One token of many series: `token_features` and the network's `step`, compiled where that can be.

    The compiled step is made at the first call from what the network's own step does, and made anew when its
    parameters change. Where the network does what `tsssm_kernels.compile_step` does not know, or lies elsewhere than on
    the CPU, or the environment variable ``TSSSM_BACKEND`` names another backend than ``"cpu"``, the network runs
    itself. Threads may share it.

    Parameters
    ----------
    network : ForecastNetwork

    Attributes
    ----------
    why_not : str or None
        Why the network is not compiled, once that was tried in vain.

    Examples
    --------
    >>> import torch
    >>> from tsssm.mixers import Mamba
    >>> network = ForecastNetwork([Mamba], patch_length=4, n_covariates=0, horizon=3, levels=(0.5,), d_model=16)
    >>> step = TokenStep(network.eval())
    >>> values, statistics = torch.zeros(2, 4, dtype=torch.float64), torch.ones(2, 1, dtype=torch.float64)
    >>> hidden, state = step(values, torch.zeros(2, 4, 0), statistics, statistics, network.initial_state(2))
    >>> hidden.shape
    torch.Size([2, 16])
    """

    def __init__(self, network: ForecastNetwork):
        self.network = network
        self.why_not: str | None = None
        self._compiled: CompiledStep | None = None

    def __call__(
        self, values: Tensor, covariates: Tensor, location: Tensor, scale: Tensor, state: tuple
    ) -> tuple[Tensor, tuple]:
        """Advance the network by the token of the last observations, without gradients.

        Axes: S series, P observations a token, C covariates.

        Parameters
        ----------
        values, covariates, location, scale : Tensor, (S, P), (S, P, C), (S, 1), (S, 1)
            As in `token_features`.
        state : tuple
            The network's state, with one row a series.

        Returns
        -------
        hidden : Tensor, (S, d_model)
        state : tuple
            After the token.
        """

        def step(values: Tensor, covariates: Tensor, location: Tensor, scale: Tensor, *flat: Tensor) -> list[Tensor]:
            with torch.no_grad():
                token = token_features(values, covariates, location, scale)[:, 0]
                hidden, after = self.network.step(token, _grouped(flat, state))
            return [hidden, *_flat(after)]

        inputs = [values, covariates, location, scale, *_flat(state)]
        hidden, *after = self._best(step, inputs)(*inputs)
        return hidden, _grouped(after, state)

    def _best(self, step: Callable[..., list[Tensor]], inputs: list[Tensor]) -> Callable[..., list[Tensor]]:
        """The compiled step if there can be one, else the step itself."""
        if self.why_not is not None or os.environ.get("TSSSM_BACKEND", "cpu") != "cpu":
            return step
        compiled = self._compiled
        if compiled is None or not compiled.is_current():
            try:
                compiled = self._compiled = compile_step(step, inputs)
            except CannotCompileError as reason:
                self.why_not = str(reason)
                return step
        return compiled

    def __getstate__(self) -> dict:
        return {"network": self.network, "why_not": None, "_compiled": None}  # addresses mean nothing elsewhere


def _flat(state: tuple) -> list[Tensor]:
    return [tensor for block in state for tensor in block]


def _grouped(flat: Iterable[Tensor], like: tuple) -> tuple:
    """Tensors one after the other as a state, of the types of another one."""
    tensors = iter(flat)
    return tuple(type(block)(*(next(tensors) for _ in block)) for block in like)
