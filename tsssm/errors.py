"""The errors tsssm raises.

Each message says what is wrong, where (series, column, first time stamp), the value seen and what to do about it.
Every class is also a `ValueError`, so code written for scikit-learn keeps working.
"""

from __future__ import annotations

from sklearn.exceptions import NotFittedError as _SklearnNotFittedError

__all__ = ["ConfigError", "DataError", "ModelFileError", "NotFittedError", "StreamError", "TsssmError"]


class TsssmError(ValueError):
    """Base of the family: catch it to catch all errors of the library."""


class DataError(TsssmError):
    """The data (y, X or a file of them) cannot be used as given."""


class ConfigError(TsssmError):
    """One or more settings of a forecaster are invalid; the message lists all of them."""


class NotFittedError(TsssmError, _SklearnNotFittedError):
    """The forecaster was asked for something that only `fit` can give."""


class StreamError(TsssmError):
    """A stream refused an update or a forecast; its state is unchanged."""


class ModelFileError(TsssmError):
    """A saved model or stream cannot be written or read."""
