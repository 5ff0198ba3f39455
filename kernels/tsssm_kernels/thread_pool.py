"""Share a loop's work among as many threads as torch has."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import torch

__all__ = ["count_groups", "count_shares", "run_ranges", "run_shares"]

SMALL = 200_000  # nanoseconds of work: below, starting another thread costs more than it brings


class _Pool:
    """An executor made at first use, anew when torch has more threads than it, and anew in a forked child."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin without threads: those of the parent do not live on in a child, nor does who held the lock."""
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._width = 0

    def submit(self, work: Callable[[int], None], share: int, width: int) -> Future[None]:
        with self._lock:
            if self._executor is None or self._width < width:
                # threads of a narrower one end when its work is done
                self._executor, self._width = ThreadPoolExecutor(width, "tsssm-kernels"), width
            return self._executor.submit(work, share)


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.forget)


def count_groups(batch: int, parts: int) -> int:
    """Into how many groups the parts of a series (heads, blocks of channels) are cut: more than one for few series.

    Examples
    --------
    >>> count_groups(batch=1_000_000, parts=8)
    1
    """
    threads = torch.get_num_threads()
    return 1 if batch >= 2 * threads else min(threads, parts)


def count_shares(nanoseconds: float, at_most: int) -> int:
    """Into how many shares work of about so many nanoseconds is cut: 1, or torch's threads; never by chance.

    Examples
    --------
    >>> count_shares(1_000, at_most=8)
    1
    """
    return 1 if nanoseconds < SMALL else max(1, min(torch.get_num_threads(), at_most))


def run_shares(work: Callable[[int], None], n_shares: int) -> None:
    """Call ``work(share)`` for each share from 0 on, 0 in this thread, others in a pool's; return when all are done.

    Safe from several threads at once, from autograd's, and in a forked child. `work` must release the GIL to gain
    anything, and must not call `run_shares` itself.

    Examples
    --------
    >>> squares = [0, 0, 0]
    >>> def work(share):
    ...     squares[share] = share**2
    >>> run_shares(work, 3)
    >>> squares
    [0, 1, 4]
    """
    if n_shares == 1:
        work(0)
        return
    others: list[Future[None]] = []
    try:
        for share in range(1, n_shares):
            others.append(_pool.submit(work, share, n_shares - 1))
        work(0)
    finally:
        wait(others)  # whatever happened here, they still write to our memory
    for other in others:
        other.result()


def run_ranges(work: Callable[[int, int, int, int], None], items: int, n_shares: int, room: int) -> None:
    """Call ``work(share, scratch, first, last)`` for each share of `items`, with a kernel's memory of its own.

    Parameters
    ----------
    work : Callable
        As in `run_shares`; `scratch` is the address of `room` float32 numbers, whatever they are, and the share's items
        are `first` to `last`.
    items : int
    n_shares : int
        At most `items`.
    room : int

    Examples
    --------
    >>> run_ranges(lambda share, scratch, first, last: print(share, first, last), items=5, n_shares=1, room=16)
    0 0 5
    """
    scratch = torch.empty(n_shares, room, dtype=torch.float32)

    def of_share(share: int) -> None:
        work(share, scratch[share].data_ptr(), share * items // n_shares, (share + 1) * items // n_shares)

    run_shares(of_share, n_shares)
