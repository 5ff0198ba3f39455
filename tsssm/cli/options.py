"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Data",
    "ForecasterChoice",
    "ForecasterName",
    "Gaps",
    "GapsChoice",
    "MaxSteps",
    "Seed",
    "TargetColumns",
    "TimeColumn",
    "XColumns",
]


class ForecasterName(StrEnum):
    """The forecasters by their names on the command line; "default" is `Forecaster` with the mixers it takes itself."""

    DEFAULT = "default"
    MAMBA = "mamba"
    TRANSFORMER = "transformer"
    RWKV = "rwkv"
    XLSTM = "xlstm"
    S4D = "s4d"
    HYBRID = "hybrid"
    LINEAR = "linear"
    SEASONAL_NAIVE = "seasonal-naive"


class Gaps(StrEnum):
    """What becomes of missing rows."""

    REFUSE = "refuse"
    MASK = "mask"


Data = Annotated[Path, typer.Argument(metavar="DATA.csv", help="Table with a header, one row a time stamp.")]
TimeColumn = Annotated[
    str | None,
    typer.Option(
        "--time",
        metavar="COLUMN",
        help="Column of time stamps (or whole numbers). Default: the first whose values all are stamps such as "
        "2024-01-31 13:00.",
    ),
]
TargetColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="COLUMN",
        help="Series to forecast; repeat it for several. Default: all other numeric columns.",
    ),
]
XColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--x",
        metavar="COLUMN",
        help="Covariate that is known in advance; repeat it for several. Its rows may go on beyond the targets'.",
    ),
]
ForecasterChoice = Annotated[ForecasterName, typer.Option("--forecaster", help="Which forecaster to fit.")]
MaxSteps = Annotated[
    int | None,
    typer.Option("--max-steps", metavar="N", help="Training steps of a network. Default: the forecaster's own."),
]
GapsChoice = Annotated[Gaps, typer.Option("--gaps", help="Missing rows are an error, or (mask) count as unobserved.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="The same seed and data give the same forecasts.")]
