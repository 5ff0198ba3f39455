"""Grids of a data set: netCDF files into xarray."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tsssm_datasets.errors import DataFileError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read_grid"]

# The first bytes tell the two formats apart; xarray reads neither by itself.
_ENGINES = {
    b"CDF": ("netCDF 3", "scipy or netCDF4"),
    b"\x89HDF": ("netCDF 4 (HDF5)", "h5netcdf or netCDF4"),
}


def read_grid(path: Path) -> xr.Dataset:
    """Open a netCDF file lazily; values are read when they are asked for.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    DataFileError
        The file cannot be opened; the message says which package is needed where one is missing.

    Examples
    --------
    >>> read_grid(Path("elsewhere.nc"))
    Traceback (most recent call last):
    tsssm_datasets.errors.DataFileError: elsewhere.nc is missing.
    """
    import xarray as xr

    if not path.is_file():
        raise DataFileError(f"{path} is missing.")
    try:
        return xr.open_dataset(path)
    except Exception as error:
        raise DataFileError(f"{path} cannot be opened: {_remedy(path)} ({type(error).__name__}: {error})") from error


def _remedy(path: Path) -> str:
    with path.open("rb") as file:
        magic = file.read(4)
    for start, (form, packages) in _ENGINES.items():
        if magic.startswith(start):
            return f"it is {form}, for which xarray needs the package {packages}; install one, or check the file."
    return f"it begins with {magic!r}, which is no netCDF file."
