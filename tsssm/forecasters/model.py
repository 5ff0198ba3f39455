"""A fitted forecaster's parts, and what turns a table into their inputs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tsssm.data import Panel, Table, Timeline, calendar_features, feature_names
from tsssm.forecasters.calibration import Calibration
from tsssm.forecasters.spec import ModelSpec
from tsssm.linear import Ridge, Seasonal
from tsssm.network import ForecastNetwork, TokenStep

__all__ = ["CovariateScale", "Model", "Priors", "Track"]


@dataclass(frozen=True)
class Priors:
    """The deviation a series is thought to have before any of it is seen.

    Attributes
    ----------
    deviation : mapping of name to float
        Deviation of each series of fit in the training part.
    ratio : float
        Median over fit's series of deviation / |mean|: with |first value| it gives an unseen series' deviation.
    floor : float
        Median deviation over fit's series: stands in for an unseen series whose first value is 0.
    """

    deviation: Mapping[Hashable, float]
    ratio: float
    floor: float

    def of(self, names: tuple[Hashable, ...], origins: np.ndarray) -> np.ndarray:
        """Prior deviations of series with these names and first observed values, (n_series,) float64."""
        unseen = np.where(origins == 0.0, self.floor, np.abs(origins) * self.ratio)
        return np.array([self.deviation.get(name, u) for name, u in zip(names, unseen)], dtype=np.float64)


@dataclass(frozen=True)
class CovariateScale:
    """Mean and deviation of each column of X in the training part, (n_columns,) float64."""

    mean: np.ndarray
    deviation: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Scale rows of X; rows that ``gaps="mask"`` inserted (NaN) become zero."""
        return np.nan_to_num((values - self.mean) / self.deviation)


@dataclass(frozen=True)
class Track:
    """The causal scaler along a panel.

    Attributes
    ----------
    location, scale : ndarray, (n_values,) float64
        After each value of the panel.
    state : ndarray, (n_series, 4) float64
        The scaler's state after the last value of each series.
    prior : ndarray, (n_series,) float64
    """

    location: np.ndarray
    scale: np.ndarray
    state: np.ndarray
    prior: np.ndarray

    def at(self, panel: Panel, series: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Location and scale after the first ``ends`` values; 0 and 1 where nothing is known yet."""
        real = ends > 0
        if not real.any():
            return np.zeros(real.shape), np.ones(real.shape)
        rows = np.where(real, panel.offsets[series] + ends - 1, 0)
        return np.where(real, self.location[rows], 0.0), np.where(real, self.scale[rows], 1.0)


@dataclass(frozen=True)
class Model:
    """The parts of a fitted forecaster; it never changes, so threads may share it.

    Attributes
    ----------
    step : TokenStep or None
        The network's step, for all streams.
    """

    spec: ModelSpec
    network: ForecastNetwork | None
    base: Ridge | Seasonal | None
    priors: Priors
    covariate_scale: CovariateScale
    calibration: Calibration
    step: TokenStep | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", None if self.network is None else TokenStep(self.network))

    @property
    def lags(self) -> int:
        """Values that the base looks back on."""
        return self.base.lags if self.base is not None else 0

    @property
    def n_covariates(self) -> int:
        """Known-future inputs of the network: calendar features and columns of X."""
        return 0 if self.network is None else len(feature_names(self.spec.cycles)) + len(self.spec.covariates)

    def covariate_rows(self, timeline: Timeline, x: np.ndarray) -> np.ndarray:
        """Inputs known in the future: calendar, then scaled X, (rows, n_covariates) float32.

        Parameters
        ----------
        timeline : Timeline
            One stamp a row.
        x : ndarray, (rows, n_columns) float64
            Columns of X in the spec's order.
        """
        return covariate_rows(self.spec, self.covariate_scale, timeline, x)

    def track(self, panel: Panel) -> Track:
        """Run the causal scaler along every series."""
        return track(self.spec, self.priors, panel)


def covariate_rows(spec: ModelSpec, scale: CovariateScale, timeline: Timeline, x: np.ndarray) -> np.ndarray:
    """See `Model.covariate_rows`; fit needs it before there is a model."""
    if spec.mixer is None:
        return np.zeros((len(timeline), 0), np.float32)
    parts = [scale.apply(x)]
    stamps = timeline.calendar_stamps()
    if spec.cycles and stamps is not None:
        parts.insert(0, calendar_features(stamps, spec.cycles))
    return np.concatenate(parts, axis=1).astype(np.float32)


def track(spec: ModelSpec, priors: Priors, panel: Panel) -> Track:
    """See `Model.track`; fit needs it before there is a model."""
    scaler = spec.scaler()
    prior = priors.of(panel.names, panel.origins)
    state = scaler.initial_state(panel.n_series)
    location, scale = np.empty(len(panel.values)), np.empty(len(panel.values))
    for i, (begin, end) in enumerate(zip(panel.offsets, panel.offsets[1:])):
        location[begin:end], scale[begin:end] = scaler.advance(
            panel.values[None, begin:end], prior[i : i + 1], state[i : i + 1]
        )
    return Track(location, scale, state, prior)


def build_panel(table: Table, covariates: np.ndarray) -> Panel:
    """The panel of a table whose covariate rows are given."""
    return Panel.from_columns(table.values, covariates, table.names)
