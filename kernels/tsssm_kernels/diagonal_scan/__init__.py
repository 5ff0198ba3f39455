"""The diagonal scan of S4D."""

from .op import diagonal_scan
from .step import diagonal_scan_step

__all__ = ["diagonal_scan", "diagonal_scan_step"]
