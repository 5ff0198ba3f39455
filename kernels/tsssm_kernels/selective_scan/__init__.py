"""The selective scan of Mamba: `selective_scan` over sequences, `selective_scan_step` for streams."""

from .op import selective_scan
from .step import selective_scan_step

__all__ = ["selective_scan", "selective_scan_step"]
