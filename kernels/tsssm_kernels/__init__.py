"""Tensor operators of state-space models: recurrences over (batch, length, ...) tensors, and their single steps."""

from .linear_recurrence import linear_recurrence
from .selective_scan import selective_scan, selective_scan_step

__all__ = ["linear_recurrence", "selective_scan", "selective_scan_step"]
