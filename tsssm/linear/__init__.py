"""Closed-form linear forecasters: the ridge base and seasonal naive."""

from tsssm.linear.cutoffs import Cutoffs, training_cutoffs, validation_cutoffs
from tsssm.linear.ridge import PENALTIES, Ridge, fit_ridge
from tsssm.linear.seasonal import Seasonal

__all__ = ["PENALTIES", "Cutoffs", "Ridge", "Seasonal", "fit_ridge", "training_cutoffs", "validation_cutoffs"]
