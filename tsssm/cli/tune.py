"""`tsssm tune`: search for the settings of a forecaster, and save the best model."""

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
    Seed,
    TargetColumns,
    TimeColumn,
    XColumns,
)

__all__ = ["tune"]

_INTERRUPTED = 130


def tune(
    data: Data,
    horizon: Annotated[int, typer.Option(metavar="STEPS", help="Steps ahead to forecast, in rows of the table.")],
    out: Annotated[Path, typer.Option(metavar="MODEL_DIR", help="Folder to save the best model in.")],
    trials: Annotated[
        int, typer.Option(metavar="N", help="Trials in all, those that the storage holds already included.")
    ] = 20,
    time_budget: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Begin no further trial after this time.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="study.journal",
            help="File to keep the search in; the same command goes on with it. Default: it is kept nowhere.",
        ),
    ] = None,
    metric: Annotated[str, typer.Option(metavar="NAME", help="Error on the validation part: mase or mae.")] = "mase",
    max_steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Training steps of every trial. Default: they are searched, from 300 to 1500."),
    ] = None,
    table: Annotated[Path | None, typer.Option(metavar="trials.csv", help="Write all trials here.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="plot.png", help="Draw the score of each trial here.")] = None,
    time: TimeColumn = None,
    target: TargetColumns = None,
    x: XColumns = None,
    freq: Annotated[
        str | None, typer.Option(metavar="h", help="Distance of rows, where the stamps do not tell: h, 15min, D, MS.")
    ] = None,
    forecaster: ForecasterChoice = ForecasterName.DEFAULT,
    gaps: GapsChoice = Gaps.REFUSE,
    seed: Seed = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    """Search for the settings with which a forecaster does best, and save the best model in a folder.

    \b
    Example:
      tsssm datasets electricity --out electricity.csv
      tsssm tune electricity.csv --horizon 24 --trials 30 --storage study.journal --out tuned

    A trial is a fit of a minute or so. The first one has the default settings. Trials are judged on the validation
    part, the last tenth of the table; to judge the result, keep later rows back and use tsssm backtest on them.

    After Ctrl-C the best model so far is saved, and the exit code is 130.
    """
    from tsssm.cli.choice import make_forecaster
    from tsssm.cli.figures import check_plot_file, new_figure, save_figure
    from tsssm.cli.fitting import column_lines
    from tsssm.cli.model_folder import check_model_folder
    from tsssm.cli.replaced_file import check_output_file
    from tsssm.cli.roles import read_series
    from tsssm.cli.tables import write_csv
    from tsssm.errors import ConfigError
    from tsssm.tuning import default_space
    from tsssm.tuning import tune as tune_model

    check_model_folder(out)
    check_output_file(table)
    if plot is not None:
        check_plot_file(plot)
    if forecaster in (ForecasterName.LINEAR, ForecasterName.SEASONAL_NAIVE):
        raise ConfigError(
            f"--forecaster {forecaster} has no network to tune; use another. The linear one's fit chooses "
            "its penalty by itself."
        )

    def say(*lines: object) -> None:
        for line in () if quiet else lines:
            typer.echo(str(line))

    model = make_forecaster(forecaster, horizon, gaps=gaps, seed=seed, max_steps=max_steps, verbose=not quiet)
    read = read_series(data, time, target, x)
    space = default_space(model, read.y, freq=freq)
    if max_steps is not None:
        del space["max_steps"]
    result = tune_model(
        model,
        read.y,
        read.X,
        space=space,
        n_trials=trials,
        time_budget=time_budget,
        storage=storage,
        metric=metric,
        freq=freq,
    )
    result.best_model.save(out)
    say(*column_lines(read, read.X), result, f"saved in {out}")
    if table is not None:
        write_csv(result.trials, table)
        say(f"trials written to {table}")
    if plot is not None:
        figure, (ax,) = new_figure()
        result.plot(ax=ax)
        save_figure(figure, plot)
        say(f"plot written to {plot}")
    if result.interrupted:
        raise typer.Exit(_INTERRUPTED)
