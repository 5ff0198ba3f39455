"""The area of a grid's cells, for means over the globe."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsssm.errors import DataError

__all__ = ["area_weights"]


def area_weights(latitude: ArrayLike) -> NDArray[np.float64]:
    """Area of the cells of a regular grid by latitude, with mean 1: the weights of global means.

    A cell reaches halfway to its neighbours, the outermost as far on the other side, no further than the pole. Between
    latitudes a and b lies an area proportional to |sin a - sin b|: near cos(latitude), and right at the poles too.

    Parameters
    ----------
    latitude : array_like, (rows,)
        Centres of the cells in degrees, ascending or descending.

    Returns
    -------
    array, (rows,)

    Raises
    ------
    DataError
        Latitudes beyond the poles, unsorted or not a list of numbers.

    Examples
    --------
    >>> area_weights([60.0, 0.0, -60.0])
    array([0.75, 1.5 , 0.75])
    """
    try:
        centres = np.asarray(latitude, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"latitude must be a list of degrees from -90 to 90, not {latitude!r}.") from None
    if centres.ndim != 1 or not len(centres) or not np.all(np.abs(centres) <= 90.0):
        raise DataError(f"latitude must be a list of degrees from -90 to 90, not {latitude!r}.")
    steps = np.diff(centres)
    if len(steps) and not (np.all(steps > 0) or np.all(steps < 0)):
        row = int(np.argmax((np.sign(steps) != np.sign(steps[0])) | (steps == 0))) + 1
        raise DataError(f"latitude must ascend or descend; {centres[row]} comes after {centres[row - 1]}. Sort it.")
    if len(centres) == 1:
        return np.ones(1)
    middles = centres[:-1] + steps / 2.0
    edges = np.concatenate([[centres[0] - steps[0] / 2.0], middles, [centres[-1] + steps[-1] / 2.0]])
    area = np.abs(np.diff(np.sin(np.deg2rad(np.clip(edges, -90.0, 90.0)))))
    return area / area.mean()
