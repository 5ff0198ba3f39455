"""What came of a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING

import pandas as pd

from tsssm.comparison.significance import DieboldMariano
from tsssm.forecasters.backtest import Backtest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tsssm.forecasters.forecaster import Forecaster

__all__ = ["Comparison"]


@dataclass(frozen=True)
class Comparison:
    """Forecasters side by side; printing it gives the table and the notes.

    Attributes
    ----------
    table : DataFrame
        One row a forecaster, the reference first. Columns: a metric each, for the forecast as it is; ``p_value`` of the
        Diebold-Mariano test against the reference, NaN for itself; ``backbone`` (parameters of blocks and norms) and
        ``parameters`` (all, the base's weights included); ``fit_seconds`` (NaN where it was fitted before) and
        ``predict_seconds`` (all windows, in one pass); ``state_bytes`` that a stream keeps of one series; then each
        metric of the two parts, such as ``mae_base`` and ``mae_network`` (NaN where a forecaster is of one part).
    window_losses : DataFrame
        Rows: cutoffs (the last known stamp); columns: forecasters. The loss of the test, mean over series and steps.
    tests : dict of str to DieboldMariano
        Each forecaster but the reference against it.
    backtests : dict of str to Backtest
    models : dict of str to Forecaster
        As fitted for the comparison.
    notes : list of str
        What to know before believing it.
    """

    table: pd.DataFrame
    window_losses: pd.DataFrame
    tests: dict[str, DieboldMariano]
    backtests: dict[str, Backtest]
    models: dict[str, Forecaster]
    notes: list[str] = field(default_factory=list)

    @property
    def forecasts(self) -> pd.DataFrame:
        """Every forecast in one long frame: `Backtest.forecasts` of each, behind a column `model`."""
        frames = [backtest.forecasts for backtest in self.backtests.values()]
        for name, frame in zip(self.backtests, frames):
            frame.insert(0, "model", name)
        return pd.concat(frames, ignore_index=True)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw each forecaster's mean absolute error by the number of steps ahead, over all series."""
        from tsssm.metrics import mae
        from tsssm.plotting import plot_errors_by_lead

        errors = {name: mae(b.actual, b.windows.point, axis=(0, 1)) for name, b in self.backtests.items()}
        steps = range(1, next(iter(self.backtests.values())).horizon + 1)
        return plot_errors_by_lead(pd.DataFrame(errors, index=pd.Index(steps)), label="mean absolute error", ax=ax)

    def __str__(self) -> str:
        n_windows, n_series, horizon = next(iter(self.backtests.values())).windows.point.shape
        parts = [name for name in self.table.columns if name.endswith(("_base", "_network"))]
        shown = self.table.drop(columns=parts)
        formats = dict.fromkeys(shown.columns, _number)
        head = f"{n_windows} windows of {horizon} steps, {n_series} series; p_value: against {self.table.index[0]}"
        return "\n".join([head, shown.to_string(formatters=formats), *(f"note: {note}" for note in self.notes)])

    __repr__ = __str__


def _number(value: float) -> str:
    if pd.isna(value):
        return ""
    return f"{value:,}" if isinstance(value, Integral) else f"{value:.4g}"
