"""What the user gave as y, so that forecasts go out as the same kind of object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data.labels import columns_from_json, columns_to_json, label_from_json, label_to_json

__all__ = ["Kind"]


@dataclass(frozen=True, eq=False)
class Kind:
    """What y was: a Series, a wide frame or an array, with its names and dtypes.

    Axes of the arguments below: H steps, S series, Q quantiles.

    Attributes
    ----------
    form : str
        "series", "frame", "vector" (numpy, one axis) or "matrix" (numpy, two axes).
    columns : pd.Index
        The column labels of a frame; the name of a Series as the only label; 0, 1, ... of an array.
    dtypes : tuple of str, (S,)
        The dtype of each series' forecasts: that of y, where integers have become floats.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> kind = Kind("series", pd.Index(["load"]), ("float32",))
    >>> kind.point(np.ones((2, 1)), pd.RangeIndex(5, 7))
    5    1.0
    6    1.0
    Name: load, dtype: float32
    >>> kind.quantiles(np.ones((2, 1, 2)), (0.1, 0.9), pd.RangeIndex(5, 7)).columns.tolist()
    [0.1, 0.9]
    """

    form: str
    columns: pd.Index
    dtypes: tuple[Any, ...]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Kind):
            return NotImplemented
        alike = self.columns.equals(other.columns) and self.columns.names == other.columns.names
        return (
            alike
            and self.columns.dtype == other.columns.dtype
            and (self.form, self.dtypes) == (other.form, other.dtypes)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def names(self) -> tuple:
        """The series' names in column order; a Series without a name has None, arrays have 0, 1, ..."""
        return tuple(self.columns.tolist())

    def point(self, values: np.ndarray, index: pd.Index) -> Any:
        """Return one forecast a step and series.

        Parameters
        ----------
        values : ndarray, (H, S)
            The forecasts.
        index : pd.Index, (H,)
            Their stamps; arrays do without.

        Returns
        -------
        Series, DataFrame (H, S) or ndarray (H,) or (H, S)
        """
        if self.form == "vector":
            return values[:, 0].astype(self.dtypes[0])
        if self.form == "matrix":
            return values.astype(self.dtypes[0])
        if self.form == "series":
            return pd.Series(values[:, 0], index=index, name=self.columns[0]).astype(self.dtypes[0])
        return self._frame(values, index, self.columns.copy(), self.dtypes)

    def quantiles(self, values: np.ndarray, levels: Sequence[float], index: pd.Index) -> Any:
        """Return quantiles a step and series.

        Parameters
        ----------
        values : ndarray, (H, S, Q)
            The quantiles.
        levels : sequence of float, (Q,)
            Their levels: the columns of a Series' frame, the inner column level of a wide frame's.
        index : pd.Index, (H,)
            Their stamps; arrays do without.

        Returns
        -------
        DataFrame (H, Q) or (H, S * Q), or ndarray (H, Q) or (H, S, Q)
        """
        return self._with_axis(values, pd.Index([float(level) for level in levels], name="quantile"), index)

    def interval(self, lower: np.ndarray, upper: np.ndarray, index: pd.Index) -> Any:
        """Return the bounds, each (H, S), as `quantiles` would with "lower" and "upper" in place of levels."""
        return self._with_axis(np.stack([lower, upper], axis=-1), pd.Index(["lower", "upper"], name="bound"), index)

    def samples(self, values: np.ndarray, index: pd.Index) -> Any:
        """Return sampled paths, (H, S, n), as `quantiles` would with 0, 1, ... n - 1 in place of levels."""
        return self._with_axis(values, pd.RangeIndex(values.shape[2], name="sample"), index)

    def to_json(self) -> dict[str, Any]:
        """Return the kind as plain Python that `json` can write.

        Raises
        ------
        DataError
            For names that JSON cannot hold, such as timestamps.
        """
        if self.form == "series":
            columns = label_to_json(self.columns[0], "the series name")
        else:
            columns = columns_to_json(self.columns)
        return {"form": self.form, "columns": columns, "dtypes": list(self.dtypes)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Kind:
        """Return the kind that `to_json` wrote.

        Examples
        --------
        >>> import pandas as pd
        >>> kind = Kind("frame", pd.Index(["a", "b"], name="shop"), ("float64", "float32"))
        >>> Kind.from_json(kind.to_json()) == kind
        True
        """
        if plain["form"] == "series":
            columns = single_label(label_from_json(plain["columns"]))
        else:
            columns = columns_from_json(plain["columns"])
        return cls(plain["form"], columns, tuple(plain["dtypes"]))

    def _with_axis(self, values: np.ndarray, labels: pd.Index, index: pd.Index) -> Any:
        if self.form == "vector":
            return values[:, 0].astype(self.dtypes[0])
        if self.form == "matrix":
            return values.astype(self.dtypes[0])
        n_labels = len(labels)
        if self.form == "series":
            return self._frame(values[:, 0], index, labels, self.dtypes * n_labels)
        flat = values.reshape(len(values), -1)  # (H, S, Q) -> (H, S * Q)
        dtypes = tuple(dtype for dtype in self.dtypes for _ in range(n_labels))
        return self._frame(flat, index, _product(self.columns, labels), dtypes)

    @staticmethod
    def _frame(values: np.ndarray, index: pd.Index, columns: pd.Index, dtypes: tuple[Any, ...]) -> pd.DataFrame:
        if len(set(dtypes)) == 1:
            return pd.DataFrame(values, index=index, columns=columns).astype(dtypes[0])
        frame = pd.DataFrame(values, index=index)
        return frame.astype(dict(enumerate(dtypes))).set_axis(columns, axis=1)


def single_label(label: Any) -> pd.Index:
    """Return an index of one label, which may be None or a tuple."""
    return pd.Index([label], dtype=object, tupleize_cols=False)


def _product(columns: pd.Index, labels: pd.Index) -> pd.MultiIndex:
    if isinstance(columns, pd.MultiIndex):
        levels = [columns.get_level_values(i) for i in range(columns.nlevels)]
    else:
        levels = [columns.rename("series") if columns.name is None else columns]
    arrays = [level.repeat(len(labels)) for level in levels]
    inner = labels[np.tile(np.arange(len(labels)), len(columns))]
    return pd.MultiIndex.from_arrays([*arrays, inner])
