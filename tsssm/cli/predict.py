"""`tsssm predict`: a model folder in, forecasts as CSV out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tsssm.cli.options import TargetColumns, TimeColumn

__all__ = ["predict"]


def predict(
    model_dir: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder that `tsssm fit` made.")],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="NEWER.csv", help="Forecast what follows this table. Default: what follows the data of fit."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="forecast.csv", help="Default: standard output.")] = None,
    coverage: Annotated[
        float | None, typer.Option(metavar="0.8", help="Add the central interval as NAME_lower and NAME_upper.")
    ] = None,
    quantiles: Annotated[
        str | None, typer.Option(metavar="0.1,0.5,0.9", help="Add quantiles as NAME_q0.1 and so on.")
    ] = None,
    x_future: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Covariates of the steps to forecast.")
    ] = None,
    time: TimeColumn = None,
    target: TargetColumns = None,
) -> None:
    """Forecast with a saved model, as CSV: the time, then one column a series.

    \b
    Example, after `tsssm fit electricity.csv --horizon 24 --out my-model`:
      tsssm predict my-model --coverage 0.8 --out forecast.csv

    The median is forecast. Newer data (--data) are forecast from without fitting again; the model's covariates are read
    from the columns of the same names.
    """
    from tsssm.cli.forecast_table import forecast_table, read_levels
    from tsssm.cli.model_input import load_forecaster, read_input
    from tsssm.cli.replaced_file import check_output_file
    from tsssm.cli.tables import write_csv

    check_output_file(out)
    levels = read_levels(coverage, quantiles)
    model = load_forecaster(model_dir)
    y, X = read_input(model, data, x_future, time, target)
    write_csv(forecast_table(model, y, X, levels), out)
    if out is not None:
        typer.echo(f"forecasts written to {out}")
