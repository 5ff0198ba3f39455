"""`tsssm compare`: forecasters side by side on the same windows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tsssm.cli.options import Data, Gaps, GapsChoice, MaxSteps, Seed, TargetColumns, TimeColumn, XColumns

__all__ = ["compare"]


def compare(
    data: Data,
    horizon: Annotated[int, typer.Option(metavar="STEPS", help="Steps ahead to forecast, in rows of the table.")],
    models: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Names as for fit, parted by commas. The first is the reference.",
        ),
    ] = "mamba,transformer,linear,seasonal-naive",
    windows: Annotated[int, typer.Option(metavar="N", help="Forecasts to make; the last ends with the table.")] = 8,
    step: Annotated[
        int | None, typer.Option(metavar="N", help="Rows from one window to the next. Default: the horizon.")
    ] = None,
    metrics: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Errors to print: mae, mse, rmse, mase, smape. The first is the one that is tested.",
        ),
    ] = "mae,mse,mase",
    out: Annotated[Path | None, typer.Option(metavar="table.csv", help="Write the whole table here.")] = None,
    forecasts: Annotated[Path | None, typer.Option(metavar="forecasts.csv", help="Write every forecast here.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="plot.png", help="Draw the errors by step ahead here.")] = None,
    time: TimeColumn = None,
    target: TargetColumns = None,
    x: XColumns = None,
    max_steps: MaxSteps = None,
    gaps: GapsChoice = Gaps.REFUSE,
    seed: Seed = 0,
) -> None:
    """Fit forecasters on the same data, test them on the same windows, and print the errors side by side.

    \b
    Example:
      tsssm datasets electricity --out electricity.csv
      tsssm compare electricity.csv --horizon 24 --models mamba,transformer,linear --windows 30

    Each is fitted on what precedes the first window. The transformer has mamba's number of parameters.

    p_value is that of a Diebold-Mariano test against the first forecaster: how often a difference as large would come
    about by chance if there were none. The more windows, the more it can tell.
    """
    from tsssm.cli.choice import make_compared
    from tsssm.cli.figures import check_plot_file, new_figure, save_figure
    from tsssm.cli.fitting import silent_stdout
    from tsssm.cli.replaced_file import check_distinct_files, check_output_file
    from tsssm.cli.roles import read_series
    from tsssm.cli.tables import write_csv
    from tsssm.comparison import compare as compare_models

    for path in (out, forecasts):
        check_output_file(path)
    if plot is not None:
        check_plot_file(plot)
    check_distinct_files(out, forecasts, plot)
    named = make_compared(models, horizon, gaps=gaps, seed=seed, max_steps=max_steps)
    table = read_series(data, time, target, x)
    with silent_stdout():
        result = compare_models(
            named, table.y, table.X, n_windows=windows, step=step, metrics=[name.strip() for name in metrics.split(",")]
        )
    typer.echo(str(result))
    if out is not None:
        write_csv(result.table.rename_axis("model"), out)
        typer.echo(f"table written to {out}")
    if forecasts is not None:
        write_csv(result.forecasts, forecasts, index=False)
        typer.echo(f"forecasts written to {forecasts}")
    if plot is not None:
        figure, (ax,) = new_figure()
        result.plot(ax=ax)
        save_figure(figure, plot)
        typer.echo(f"plot written to {plot}")
