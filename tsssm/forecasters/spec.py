"""What a fitted forecaster is built of, in plain values: all that a saved model says of its parts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tsssm.mixers.stack import Stack
from tsssm.network import CausalScaler, ForecastNetwork

__all__ = ["ModelSpec"]


@dataclass(frozen=True)
class ModelSpec:
    """Sizes and names from which the parts of a fitted forecaster are rebuilt.

    Attributes
    ----------
    horizon, patch_length, n_tokens, lags, season_length : int
        Steps ahead; observations of a token; tokens of a training window; values the base looks back on; rows of a
        season.
    levels : tuple of float
        Trained quantile levels, increasing, 0.5 among them.
    mixer : str or None
        Short name of the mixer or pattern of the mixers, repeated in `n_layers`; None without a network.
    mixer_settings : dict
        The mixers' settings, those that follow from the context among them.
    base : str or None
        "ridge", "seasonal" or None.
    d_model, n_layers : int
    dropout : float
    cycles : tuple of str
        Calendar cycles the network sees.
    covariates : tuple of str
        Columns of X, in order.
    frequency : str
        Of the time axis.
    stamps : str
        What its stamps are: "integers", "periods", "datetimes without a zone" or "datetimes in <zone>".
    network_share : float
        The network's share in the point forecast where there is a base too: 0.5 their mean, 0 or 1 one of them.
    """

    horizon: int
    patch_length: int
    n_tokens: int
    lags: int
    season_length: int
    levels: tuple[float, ...]
    mixer: str | None
    mixer_settings: dict[str, Any]
    base: str | None
    d_model: int
    n_layers: int
    dropout: float
    cycles: tuple[str, ...]
    covariates: tuple[str, ...]
    frequency: str
    stamps: str
    network_share: float = 0.5

    @property
    def context_length(self) -> int:
        """Observations of a training window."""
        return self.n_tokens * self.patch_length

    @property
    def median(self) -> int:
        """Position of level 0.5."""
        return self.levels.index(0.5)

    def scaler(self) -> CausalScaler:
        """The causal scaler: its half-life is a quarter of the context."""
        return CausalScaler(half_life=self.context_length / 4)

    def build_network(self, stack: Stack, n_covariates: int) -> ForecastNetwork:
        """A network of these sizes with fresh weights, in float32 whatever torch's default."""
        return ForecastNetwork(
            stack,
            patch_length=self.patch_length,
            n_covariates=n_covariates,
            horizon=self.horizon,
            levels=self.levels,
            d_model=self.d_model,
            dropout=self.dropout,
            mixer_settings=self.mixer_settings,
        ).float()

    def to_json(self) -> dict:
        """Plain values for ``config.json``."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ModelSpec:
        """The inverse of `to_json`."""
        plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**plain)
