"""Forecasters side by side: the same windows, the same data, and whether the difference may be chance."""

from tsssm.comparison.compare import compare
from tsssm.comparison.comparison import Comparison
from tsssm.comparison.significance import DieboldMariano, diebold_mariano

__all__ = ["Comparison", "DieboldMariano", "compare", "diebold_mariano"]
