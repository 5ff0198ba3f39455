"""Plots: frames in, matplotlib Axes out; nothing is shown or saved."""

from tsssm.plotting.backtest import plot_backtest
from tsssm.plotting.error_by_step import plot_error_by_step
from tsssm.plotting.forecast import plot_forecast

__all__ = ["plot_backtest", "plot_error_by_step", "plot_forecast"]
