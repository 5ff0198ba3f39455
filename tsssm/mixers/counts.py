"""Settings that count something."""

from __future__ import annotations

from numbers import Integral

from tsssm.errors import ConfigError

__all__ = ["check_counts"]


def check_counts(mixer: str, **counts: int) -> None:
    """Refuse what is no whole number of at least 1.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> check_counts("mamba", state_size=16, expand=2)
    >>> check_counts("mamba", state_size=0.5)
    Traceback (most recent call last):
    tsssm.errors.ConfigError: mamba needs whole numbers of at least 1; got state_size=0.5
    """
    for name, value in counts.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{mixer} needs whole numbers of at least 1; got {name}={value!r}")
