"""Make forecasting safe in a forked child."""

from __future__ import annotations

import os

import torch

__all__ = ["set_one_thread_after_fork"]


def set_one_thread_after_fork() -> None:
    """Give every forked child one torch thread: it hangs on its parent's thread pool otherwise (seen in torch 2.13)."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
