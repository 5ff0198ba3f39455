"""Plots: frames in, matplotlib Axes out; nothing is shown or saved."""

from tsssm.plotting.backtest import plot_backtest
from tsssm.plotting.error_by_step import plot_error_by_step
from tsssm.plotting.errors_by_lead import plot_errors_by_lead
from tsssm.plotting.forecast import plot_forecast
from tsssm.plotting.map import plot_map
from tsssm.plotting.trials import plot_trials

__all__ = ["plot_backtest", "plot_error_by_step", "plot_errors_by_lead", "plot_forecast", "plot_map", "plot_trials"]
