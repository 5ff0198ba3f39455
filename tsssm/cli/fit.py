"""`tsssm fit`: a CSV file in, a model folder out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tsssm.cli.options import (
    Data,
    ForecasterChoice,
    ForecasterName,
    Gaps,
    GapsChoice,
    MaxSteps,
    Seed,
    TargetColumns,
    TimeColumn,
    XColumns,
)

__all__ = ["fit"]


def fit(
    data: Data,
    horizon: Annotated[int, typer.Option(metavar="STEPS", help="Steps ahead to forecast, in rows of the table.")],
    out: Annotated[Path, typer.Option(metavar="MODEL_DIR", help="Folder to save the model in.")],
    time: TimeColumn = None,
    target: TargetColumns = None,
    x: XColumns = None,
    freq: Annotated[
        str | None, typer.Option(metavar="h", help="Distance of rows, where the stamps do not tell: h, 15min, D, MS.")
    ] = None,
    forecaster: ForecasterChoice = ForecasterName.DEFAULT,
    max_steps: MaxSteps = None,
    gaps: GapsChoice = Gaps.REFUSE,
    seed: Seed = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    """Fit a forecaster on a CSV file and save it in a folder.

    \b
    Example:
      tsssm datasets electricity --out electricity.csv
      tsssm fit electricity.csv --horizon 24 --out my-model

    \b
    With a covariate that is known in advance:
      tsssm fit sales.csv --horizon 7 --target sales --x price --out sales-model
    """
    from tsssm.cli.choice import make_forecaster
    from tsssm.cli.fitting import fit_table
    from tsssm.cli.model_folder import check_model_folder
    from tsssm.cli.roles import read_series

    check_model_folder(out)
    model = make_forecaster(forecaster, horizon, gaps=gaps, seed=seed, max_steps=max_steps, verbose=not quiet)
    table = read_series(data, time, target, x)
    said = fit_table(model, table, freq=freq)
    model.save(out)
    if not quiet:
        for line in (*said, str(model.summary()), f"saved in {out}"):
            typer.echo(line)
