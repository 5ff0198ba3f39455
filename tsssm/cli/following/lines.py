"""Lines of the input, each as soon as it is there, until the input ends or somebody asks to stop."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["Lines"]


class _StopAskedError(Exception):
    """A signal came while a line was awaited."""


class Lines:
    """Lines of standard input with their numbers, until its end, SIGTERM or Ctrl-C.

    Inside its ``with``, a signal never cuts work short: it ends the wait for the next line.

    Attributes
    ----------
    asked : int or None
        The first signal that has asked to stop.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self._waiting = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Lines:
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) != signal.SIG_IGN:  # a shell's background job is deaf to Ctrl-C: so it stays
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        number = 0
        while line := self._next():
            number += 1
            yield number, line

    def _next(self) -> bytes:
        """The next line with its end; nothing at the end of the input or once asked to stop."""
        try:
            self._waiting = True
            line = b"" if self.asked is not None else sys.stdin.buffer.readline()
            self._waiting = False
        except _StopAskedError:
            line = b""
        return line

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked is None:
            self.asked = number
            if self._waiting:
                self._waiting = False
                raise _StopAskedError
