"""`tsssm backtest`: how good the forecasts of past days would have been."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tsssm.cli.options import Data, ForecasterName, Gaps, MaxSteps, TargetColumns, TimeColumn, XColumns

__all__ = ["backtest"]


def backtest(
    data: Data,
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL_DIR", help="Test this model; in its place: --horizon and --forecaster."),
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(metavar="STEPS", help="Steps ahead; with --model at most the trained ones, the default."),
    ] = None,
    forecaster: Annotated[
        ForecasterName | None, typer.Option("--forecaster", help="Which forecaster to fit. Default: that of fit.")
    ] = None,
    windows: Annotated[int, typer.Option(metavar="N", help="Forecasts to make; the last ends with the table.")] = 8,
    step: Annotated[
        int | None, typer.Option(metavar="N", help="Rows from one window to the next. Default: the horizon.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="forecasts.csv", help="Write every forecast here.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="plot.png", help="Draw the forecasts here.")] = None,
    time: TimeColumn = None,
    target: TargetColumns = None,
    x: XColumns = None,
    max_steps: MaxSteps = None,
    gaps: Annotated[
        Gaps | None, typer.Option("--gaps", help="Missing rows are an error, or (mask) count as unobserved.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of the fit. Default: 0.")] = None,
) -> None:
    """Forecast from several points in the past and print the errors.

    \b
    Example:
      tsssm datasets electricity --out electricity.csv
      tsssm backtest electricity.csv --horizon 24 --forecaster linear --windows 30

    \b
    A saved model, with a plot:
      tsssm backtest electricity.csv --model my-model --plot backtest.png

    No forecast is scored on data that its model was fitted on: where the model of --model has seen the windows, a new
    one with its settings is fitted on what precedes the first of them, and the output says so.

    MASE 1 is as good as repeating the last season was, on average, in the data before the windows; less is better.
    """
    from tsssm.cli.figures import check_plot_file, draw_backtest
    from tsssm.cli.fitting import silent_stdout, used_covariates
    from tsssm.cli.replaced_file import check_output_file
    from tsssm.cli.scores import score_text
    from tsssm.cli.tables import write_csv
    from tsssm.cli.tested import new_tested, saved_tested

    check_output_file(out)
    if plot is not None:
        check_plot_file(plot)

    if model is None:
        tested, table = new_tested(
            data, horizon, forecaster, time, target, x, max_steps=max_steps, gaps=gaps, seed=seed
        )
    else:
        fixed = {"--forecaster": forecaster, "--x": x, "--max-steps": max_steps, "--gaps": gaps, "--seed": seed}
        tested, table = saved_tested(model, data, time, target, fixed)
    with silent_stdout():
        X = used_covariates(tested, table)
        result = tested.backtest(table.y, X, horizon=horizon, n_windows=windows, step=step)
    typer.echo(score_text(type(tested).__name__, result))
    if out is not None:
        write_csv(result.forecasts, out, index=False)
        typer.echo(f"forecasts written to {out}")
    if plot is not None:
        typer.echo(draw_backtest(result.forecasts, plot))
