"""Users' tables in, checked; calendars; forecasts out as the same kind of object."""

from tsssm.data.batch import Batch
from tsssm.data.calendar import CYCLES, calendar_features, calendar_row, choose_cycles, feature_names
from tsssm.data.cftime_axis import drawable, is_cftime
from tsssm.data.clock import Clock
from tsssm.data.covariates import Covariates, read_covariates, read_future_covariates
from tsssm.data.gridded import open_grid
from tsssm.data.gridded_covariates import shared_columns
from tsssm.data.gridded_kind import GridKind, kind_from_json
from tsssm.data.gridded_row import read_grid_row
from tsssm.data.kind import Kind
from tsssm.data.labels import label_from_json, label_to_json
from tsssm.data.panel import Panel
from tsssm.data.season import default_patch_length, default_season_length
from tsssm.data.table import LARGEST, Table, read_table
from tsssm.data.time_dimension import find_time, is_xarray, time_index
from tsssm.data.timeline import Timeline
from tsssm.data.windows import WindowSource

__all__ = [
    "CYCLES",
    "LARGEST",
    "Batch",
    "Clock",
    "Covariates",
    "GridKind",
    "Kind",
    "Panel",
    "Table",
    "Timeline",
    "WindowSource",
    "calendar_features",
    "calendar_row",
    "choose_cycles",
    "default_patch_length",
    "default_season_length",
    "drawable",
    "feature_names",
    "find_time",
    "is_cftime",
    "is_xarray",
    "kind_from_json",
    "label_from_json",
    "label_to_json",
    "open_grid",
    "read_covariates",
    "read_future_covariates",
    "read_grid_row",
    "read_table",
    "shared_columns",
    "time_index",
]
