"""Settings that count something, and settings that are on or off."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from tsssm.errors import ConfigError

__all__ = ["check_counts", "check_optional_counts", "check_switches"]


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


def check_optional_counts(mixer: str, **counts: int | None) -> None:
    """The same of counts that have a default of the mixer's own where they are None.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> check_optional_counts("gla", mlp_width=None)
    """
    check_counts(mixer, **{name: value for name, value in counts.items() if value is not None})


def check_switches(mixer: str, **switches: bool) -> None:
    """Refuse what is neither True nor False: a text such as "False" would count as true.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> check_switches("rwkv7", bounded=True)
    >>> check_switches("rwkv7", bounded="False")
    Traceback (most recent call last):
    tsssm.errors.ConfigError: rwkv7 needs True or False; got bounded='False'
    """
    for name, value in switches.items():
        if not isinstance(value, bool | np.bool_):
            raise ConfigError(f"{mixer} needs True or False; got {name}={value!r}")
