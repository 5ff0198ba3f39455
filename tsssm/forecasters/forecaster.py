"""The estimator users meet."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from tsssm.data import read_covariates, read_table
from tsssm.errors import ConfigError, DataError, NotFittedError
from tsssm.forecasters.fitting import fit_model
from tsssm.forecasters.forecast import Forecasts, forecast_at
from tsssm.forecasters.known import Known, known_panel, read_known, read_known_future
from tsssm.forecasters.levels import at_levels, interval_levels, read_levels
from tsssm.forecasters.model import Model
from tsssm.forecasters.settings import check_settings
from tsssm.linear import Cutoffs
from tsssm.mixers import Mixer, read_stack
from tsssm.mixers.stack import Stack
from tsssm.mixers.stack_checks import check_setting_names, check_stack_settings
from tsssm.training import Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tsssm.forecasters.backtest import Backtest
    from tsssm.forecasters.stream import Stream
    from tsssm.forecasters.summary import Summary

__all__ = ["OF_MIXER", "Forecaster"]

OF_MIXER = "mixer__"  # before the names of mixer_settings, in get_params and set_params


class Forecaster(BaseEstimator):
    """Forecast series with a causal sequence model of fixed-size state, averaged with a ridge regression.

    It trains in parallel over whole series, predicts in batch and streams one observation at a time, with the same
    numbers. Series share their weights; a wide frame's columns are series. The forecast is the mean of two parts
    fitted separately on the same targets: *base*, one ridge regression in closed form, and *network*, a stack of
    sequence mixers over patches of the series. Without data of your own at hand, see `tsssm_datasets.load`.

    Parameters
    ----------
    horizon : int
        Steps ahead.
    mixer : str, type of Mixer, sequence of these or None
        Sequence mixer of the network, or a pattern of several: ``"mamba2*3+attention"``, ``"(rwkv7*2+attention)*2"``,
        ``["mamba", MyMixer]``. None is the class's own (``"mamba+rotary_average"``).
    mixer_settings : dict or None
        Settings of the mixers' own by name, such as ``{"state_size": 8}``: a plain name goes to every mixer that has
        it, ``"attention__window"`` to that one. `set_params` and `tune` know them as ``mixer__state_size`` and
        ``mixer__attention__window``.
    base : "ridge" or None
        The closed-form part; None leaves it out.
    quantiles : sequence of float
        Increasing levels; 0.5 is always trained as well.
    season_length : int or "auto"
        Rows of a season, for the scaled errors; "auto": the usual one of the frequency.
    patch_length : int or "auto"
        Observations of a token; "auto": 24 for hourly and finer, 12 monthly, 7 daily, 4 weekly and quarterly, less on
        short data.
    context_length : int or "auto"
        Observations of a training window, rounded up to whole patches; "auto": 30 patches, less on short data. A
        quarter of it is the half-life of the scaler.
    d_model : int
        Width.
    n_layers : int or "auto"
        Number of mixers, a multiple of the pattern's, which is repeated; "auto": the pattern once, a single mixer
        twice.
    state_budget : int, str or None
        Bytes, such as ``"64KiB"``, that a stream of one series with ``refresh="patch"`` may take: the mixers' states
        are made smaller until it fits, and ``notes_`` tells which sizes were chosen.
    dropout : float
        In training.
    calendar : "auto", None or sequence of {"day", "week", "month", "year"}
        Cycles the network is told of; "auto": those that the frequency can express and the training data cover three
        times.
    gaps : {"refuse", "mask"}
        Missing rows are an error, or are inserted as unobserved.
    validation_size : int or "auto"
        Last rows of each series that are not learned from; they choose the ridge's penalty and the width of the
        intervals. "auto": the larger of one horizon and a tenth of the series, none of a series shorter than three
        times that.
    max_steps : int or "auto"
        Training steps: a warm-up, then a cosine to zero, the last weights kept. "auto": the validation part chooses
        between schedules of several lengths, and between the mean of base and network and one of them alone;
        ``schedules_`` tells what was tried. Without a validation part "auto" is 300.
    batch_size : int
        Windows of a step.
    learning_rate : float or "auto"
        After the warm-up. "auto": chosen with the number of steps where that is "auto" too, else 2e-3.
    time_budget : float or None
        Seconds of training; the schedule is shortened, or fewer of them are tried (the result then depends on the
        machine's speed).
    training : Training
        Rarely changed settings.
    device : str
        Where to train: "cpu", "cuda", or "auto", which is a CUDA device where there is one.
    random_state : int
        The same state, data, versions and thread count give the same weights, bit for bit, on a CPU.
    verbose : bool
        Show a progress bar and notes; False is silent.

    Attributes
    ----------
    model_ : Model
        The fitted parts.
    history_ : DataFrame
        Training curve: step, loss, learning_rate.
    schedules_ : DataFrame
        Schedules that the validation part has judged: learning_rate, steps, error (MASE of the better of the network
        and the mean). The first is kept unless another is lower by more than one standard error of the difference.
    resumed_from_step_ : int or None
        Step of the checkpoint that training went on from.
    validation_ : DataFrame
        Mean absolute and scaled error of base, network and both on the validation part.
    training_end_ : stamp
        Last stamp of fit's y, the validation part included.
    n_parameters_ : int
        Parameters of the network.
    notes_ : list of str
        What to know of this fit.

    Examples
    --------
    >>> import numpy as np
    >>> from tsssm import Forecaster
    >>> y = np.sin(np.arange(300) * 2 * np.pi / 12)
    >>> model = Forecaster(horizon=6, patch_length=12, max_steps=20, verbose=False).fit(y)
    >>> model.predict().shape, model.predict_interval(coverage=0.8).shape
    ((6,), (6, 2))
    >>> stream = model.stream()
    >>> bool(abs(stream.predict() - model.predict()).max() < 1e-4)
    True

    References
    ----------
    Gu and Dao 2023, Mamba: Linear-Time Sequence Modeling with Selective State Spaces, arXiv 2312.00752.
    """

    _own_mixer: ClassVar[str | None] = "mamba+rotary_average"  # why: docs/zoo.md, "Which to take"
    _own_base: ClassVar[str | None] = None  # a base that the class fixes

    def __init__(
        self,
        horizon: int,
        *,
        mixer: str | type[Mixer] | Sequence[str | type[Mixer]] | None = None,
        mixer_settings: dict[str, Any] | None = None,
        base: str | None = "ridge",
        quantiles: Sequence[float] = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        season_length: int | str = "auto",
        patch_length: int | str = "auto",
        context_length: int | str = "auto",
        d_model: int = 64,
        n_layers: int | str = "auto",
        state_budget: int | str | None = None,
        dropout: float = 0.2,
        calendar: Any = "auto",
        gaps: str = "refuse",
        validation_size: int | str = "auto",
        max_steps: int | str = "auto",
        batch_size: int = 32,
        learning_rate: float | str = "auto",
        time_budget: float | None = None,
        training: Training = Training(),  # noqa: B008  (frozen)
        device: str = "auto",
        random_state: int = 0,
        verbose: bool = True,
    ):
        self.horizon = horizon
        self.mixer = mixer
        self.mixer_settings = mixer_settings
        self.base = base
        self.quantiles = quantiles
        self.season_length = season_length
        self.patch_length = patch_length
        self.context_length = context_length
        self.d_model = d_model
        self.n_layers = n_layers
        self.state_budget = state_budget
        self.dropout = dropout
        self.calendar = calendar
        self.gaps = gaps
        self.validation_size = validation_size
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.time_budget = time_budget
        self.training = training
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    # -- fit -----------------------------------------------------------------------------------------------------

    def fit(self, y, X=None, *, X_past=None, static=None, freq=None):
        """Fit base and network on y.

        Parameters
        ----------
        y : Series, wide DataFrame (one column a series), ndarray (rows,) or (rows, series), DataArray or Dataset
            NaN is unobserved. Each cell of each variable of a grid is a series; one that is NaN at every time is not
            learned from and stays NaN in every forecast.
        X : Series, DataFrame, ndarray, DataArray or Dataset, optional
            Numeric covariates known in the future, shared by all series; it covers y, and rows beyond are kept for
            `predict()`.
        X_past, static
            Come with a later version and are refused until then.
        freq : str or offset, optional
            The frequency, where y's index neither has one nor lets it be inferred.

        Returns
        -------
        self

        Raises
        ------
        ConfigError
            Invalid settings, all of them in one message.
        DataError
            Data that cannot be used, with the series, stamp and value at fault.
        KeyboardInterrupt
            After Ctrl-C: training has stopped in order and the forecaster is usable with the weights it has.
        """
        stack = self._checked_stack()
        for name, value in (("X_past", X_past), ("static", static)):
            if value is not None:
                raise DataError(
                    f"{name} comes with a later version. Leave it out, or give what is known in advance as X."
                )
        table = read_table(y, freq=freq, gaps=self.gaps)
        x = None
        if X is not None:
            x = read_covariates(X, table.timeline, inserted=table.inserted, keep_beyond=True)
        settings = self.get_params(deep=False)
        fit = fit_model(table, x, settings, stack, self._own_base or self.base)
        self.model_ = fit.model
        self.history_ = pd.DataFrame(fit.curve, columns=["step", "loss", "learning_rate"])
        self.schedules_ = pd.DataFrame(
            [(one.learning_rate, one.steps, one.error) for one in fit.tried],
            columns=["learning_rate", "steps", "error"],
        )
        self.resumed_from_step_ = fit.resumed_from_step
        self.validation_ = pd.DataFrame.from_dict(fit.validation, orient="index", columns=["mae", "mase"])
        self.notes_ = [*table.notes, *fit.notes]
        self._last_row = table.timeline.slice(len(table.timeline) - 1, None)
        self.training_end_ = self._last_row.index[-1]
        self.n_parameters_ = _count_parameters(fit.model)
        self._known: Known | None = Known(table, np.zeros((len(table.timeline), 0)) if x is None else x.values)
        for note in self.notes_ if self.verbose else ():
            print(f"{type(self).__name__}: {note}")
        if fit.received == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)  # the checkpoint is written: end as the process was told to
        if fit.received is not None:
            raise KeyboardInterrupt
        return self

    def _checked_stack(self) -> Stack | None:
        """Check all settings; the mixer of each layer of the network, None for a forecaster without one."""
        stack = self._stack_of_any_width()
        if stack is not None:
            check_stack_settings(stack, self.mixer_settings, int(self.d_model))
        return stack

    def _stack_of_any_width(self) -> Stack | None:
        """As `_checked_stack`, but whether the mixers can be built so wide is not asked."""
        check_settings(self.get_params(deep=False))
        name = type(self).__name__
        if self._own_mixer is None and self.mixer is not None:
            raise ConfigError(f"mixer={self.mixer!r}: {name} has no network. Use Forecaster(mixer=...) instead.")
        if self._own_mixer is None and self.mixer_settings is not None:
            raise ConfigError(f"mixer_settings={self.mixer_settings!r}: {name} has no network. Leave them out.")
        if self._own_base is not None and self.base != "ridge":
            raise ConfigError(f"base={self.base!r}: {name} has its own base. Leave it out.")
        chosen = self._own_mixer if self.mixer is None else self.mixer
        if chosen is None and self.base is None:
            raise ConfigError(f"base=None leaves {name} nothing to forecast with. Leave base out.")
        if chosen is None:
            return None
        stack = read_stack(chosen, self.n_layers)
        check_setting_names(stack, self.mixer_settings)
        return stack

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Settings by name; with `deep` also those in `mixer_settings`, as ``mixer__state_size``."""
        params = super().get_params(deep=deep)
        if deep and isinstance(self.mixer_settings, Mapping):
            params |= {f"{OF_MIXER}{name}": value for name, value in self.mixer_settings.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Change settings; ``mixer__state_size=8`` changes one of `mixer_settings` and leaves the others.

        Examples
        --------
        >>> model = Forecaster(24, mixer="mamba", mixer_settings={"expand": 1})
        >>> model.set_params(d_model=32, mixer__state_size=8).mixer_settings
        {'expand': 1, 'state_size': 8}
        """
        super().set_params(**{name: value for name, value in params.items() if not name.startswith(OF_MIXER)})
        nested = {n.removeprefix(OF_MIXER): value for n, value in params.items() if n.startswith(OF_MIXER)}
        if nested and not isinstance(self.mixer_settings, Mapping | None):
            raise ConfigError(f"mixer_settings must be a dict before one of it is set; it is {self.mixer_settings!r}")
        if nested:
            self.mixer_settings = {**(self.mixer_settings or {}), **nested}
        return self

    # -- predict -------------------------------------------------------------------------------------------------

    def predict(self, y=None, X=None, *, X_past=None, horizon: int | None = None):
        """Forecast the median of the next steps.

        Parameters
        ----------
        y : optional
            Newer data to forecast from, without fitting again; any history of one observation or more. A series of the
            same name as in fit (of an array: at the same place) is taken to be the same one, another as unseen: that
            decides the deviation it is thought to have at first. Left out, the data of fit are continued.
        X : optional
            Covariates, if the forecaster was fitted with any: of y and the horizon, or (without y) of the horizon.
        X_past
            Comes with a later version.
        horizon : int, optional
            At most the trained one, which is the default.

        Returns
        -------
        Series, DataFrame, ndarray, DataArray or Dataset
            The same kind of object as y, over the steps that follow it.

        Raises
        ------
        NotFittedError, DataError, ConfigError
        """
        if X_past is not None:
            raise DataError("X_past comes with a later version. Leave it out.")
        steps = self._steps(horizon)
        known, forecasts = self._forecast(y, X)
        return known.table.kind.point(forecasts.point[:, :steps].T, known.table.timeline.future(steps))

    def predict_quantiles(self, y=None, X=None, *, levels: Sequence[float] | None = None):
        """Forecast quantiles of the next steps.

        Parameters
        ----------
        y, X : optional
            As in `predict`.
        levels : sequence of float, optional
            Levels between the trained ones are interpolated, beyond them refused. Default: the setting `quantiles`.

        Returns
        -------
        DataFrame, ndarray, DataArray or Dataset
            Series -> one column a level; frame -> columns (series, quantile); array -> an extra last axis; grid -> a
            last dimension `quantile`.
        """
        wanted = read_levels(self.quantiles if levels is None else levels)
        known, quantiles = self._quantiles(y, X, wanted)
        return known.table.kind.quantiles(quantiles, wanted, known.table.timeline.future(len(quantiles)))

    def predict_interval(self, y=None, X=None, *, coverage: float = 0.9):
        """Forecast the central interval of the next steps: `lower` and `upper`.

        Parameters
        ----------
        y, X : optional
            As in `predict`.
        coverage : float
            Share of the outcomes that the interval is meant to hold.
        """
        known, bounds = self._quantiles(y, X, interval_levels(coverage))
        return known.table.kind.interval(bounds[..., 0], bounds[..., 1], known.table.timeline.future(len(bounds)))

    def _quantiles(self, y, X, levels: Sequence[float]) -> tuple[Known, np.ndarray]:
        """Quantiles, (horizon, n_series, n_levels), and what they follow."""
        known, forecasts = self._forecast(y, X)
        return known, at_levels(forecasts.quantiles, self.model_.spec.levels, levels).transpose(1, 0, 2)

    def _forecast(self, y, X) -> tuple[Known, Forecasts]:
        """Forecasts of every series from all of y, origins added back."""
        model = self._fitted()
        if y is None:
            known = read_known_future(self._data(), X, model)
        else:
            known = read_known(y, X, model, self.gaps, n_future=model.spec.horizon)
        panel = known_panel(model, known)
        cutoffs = Cutoffs(np.arange(panel.n_series), panel.lengths)
        return known, forecast_at(model, panel, model.track(panel), cutoffs).moved(panel.origins)

    def _steps(self, horizon: int | None) -> int:
        trained = self._fitted().spec.horizon
        if horizon is None:
            return trained
        check_settings({"horizon": horizon})
        if horizon > trained:
            raise ConfigError(
                f"horizon={horizon} is longer than the trained one, {trained}, and this forecaster cannot sample paths "
                f"to roll forward. Fit with horizon={horizon}."
            )
        return horizon

    def _fitted(self) -> Model:
        if not hasattr(self, "model_"):
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet. Call fit(y) first.")
        return self.model_

    def _data(self) -> Known:
        if self._known is None:
            raise DataError("the forecaster was saved without its data (history=False). Pass y.")
        return self._known

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    # -- evaluate, follow, keep ----------------------------------------------------------------------------------

    def backtest(
        self, y, X=None, *, horizon: int | None = None, n_windows: int = 8, step: int | None = None, refit: bool = False
    ) -> Backtest:
        """Forecast y from rolling origins and score the forecasts.

        Never in-sample: where the first cutoff lies before `training_end_`, a clone is fitted on what precedes it, and
        the result says so. Each window equals ``predict(y[:cutoff])``.

        Parameters
        ----------
        y, X : optional
            As in `fit`; X covers y.
        horizon : int, optional
            At most the forecaster's, which is the default.
        n_windows : int
            Windows; the last one ends with y.
        step : int, optional
            Rows from one window to the next; default: the horizon.
        refit : bool
            Fit a clone on what precedes each window.

        Returns
        -------
        Backtest
            ``metrics``, ``forecasts`` (a long frame), ``plot()``.
        """
        from tsssm.forecasters.evaluate import run_backtest

        check_settings({"refit": refit} | ({} if horizon is None else {"horizon": horizon}))
        return run_backtest(self, y, X, horizon=horizon, n_windows=n_windows, step=step, refit=refit)

    def stream(self, y=None, X=None, *, refresh: str = "step") -> Stream:
        """Follow live series: a forecast after each observation, in time and memory that do not grow.

        Parameters
        ----------
        y, X : optional
            The history to start from; default: the data of fit. ``y.iloc[:0]`` starts without any (of a grid,
            ``y.isel(time=slice(0))``).
        refresh : {"step", "patch"}
            Run the network at each observation (a state a phase), or once a patch (one state).
        """
        from tsssm.forecasters.stream import Stream, check_refresh
        from tsssm.forecasters.stream_state import StreamState

        model = self._fitted()
        check_refresh(refresh, model)
        if y is None:
            known = self._data()
        else:
            known = read_known(y, X, model, self.gaps, allow_unobserved=True)
        table = known.table
        rows = len(table.timeline)
        panel = known_panel(model, Known(table, known.x[:rows]))
        state = StreamState.after(model, panel, rows, refresh)
        settings = {"refresh": refresh, "gaps": self.gaps, "quantiles": tuple(self.quantiles)}
        return Stream(model, state, table.timeline, table.kind, settings)

    def state_bytes(self, refresh: str = "step") -> int:
        """Bytes that a stream keeps of one series."""
        from tsssm.forecasters.stream import check_refresh
        from tsssm.forecasters.stream_state import StreamState

        model = self._fitted()
        check_refresh(refresh, model)
        return StreamState.cold(model, ("y",), model.n_covariates, refresh).nbytes()

    def plot(self, y=None, X=None, *, actual=None, series=None, ax: Axes | None = None) -> Axes:
        """Draw the end of the history, the forecast and its intervals as a fan.

        Parameters
        ----------
        y, X : optional
            As in `predict`.
        actual : Series or DataFrame, optional
            What was observed over the horizon.
        series : name, optional
            Which series; default: the first.
        ax : matplotlib Axes, optional
        """
        from tsssm.forecasters.show import plot_fan

        return plot_fan(self, y, X, actual=actual, series=series, ax=ax)

    def summary(self) -> Summary:
        """Parameters, state, training and validation errors; prints well."""
        from tsssm.forecasters.summary import summarise

        self._fitted()
        return summarise(self)

    def save(self, path: str | PathLike, *, history: bool = True) -> None:
        """Write the forecaster to a folder; `tsssm.load` reads it. Never pickle.

        Parameters
        ----------
        path : path
            A new folder, or one that holds a saved model, which is replaced in one move.
        history : bool
            Keep the data that `predict()` and `stream()` continue from.
        """
        from tsssm.forecasters.files import save_forecaster

        self._fitted()
        save_forecaster(self, path, history=history)


def _count_parameters(model: Model) -> int:
    return 0 if model.network is None else sum(p.numel() for p in model.network.parameters())
