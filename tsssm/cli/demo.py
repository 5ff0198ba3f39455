"""`tsssm demo`: forecast real electricity demand, score the forecasts, and stream."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from tsssm.cli.demonstration.follow import Followed

__all__ = ["demo"]

_TOLERANCE = 1e-4  # of the series' deviation
_TITLE = "{title:<30}{MASE:>8}{RMSSE:>8}{MAE:>10}{coverage:>17}{seconds:>10}"


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="Half a minute: less data, less training.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for plots and tables.")] = Path("tsssm-demo"),
) -> None:
    """Forecast real electricity demand, compare with simple forecasts, and stream.

    \b
    Example, in a few minutes on a laptop:
      tsssm demo

    \b
    In half a minute, to see that it works (its figures are not the model's best):
      tsssm demo --quick --out try

    Everything comes with the library; nothing is downloaded.
    """
    begin = time.perf_counter()
    typer.echo("tsssm demo: tomorrow's electricity demand, hour by hour\n\nloading ...")
    import pandas as pd

    from tsssm.cli.demonstration.contest import run_contest, score_table
    from tsssm.cli.demonstration.follow import follow
    from tsssm.cli.demonstration.plan import FULL, QUICK
    from tsssm.cli.demonstration.plots import draw_plots
    from tsssm_datasets import card, load

    plan = QUICK if quick else FULL
    demand = load("electricity")
    assert isinstance(demand, pd.Series)
    y = demand.iloc[-(plan.rows or 0) :]
    n_train = round((1 - plan.test_share) * len(y))
    units = card("electricity").units.split(",")[0]
    _introduce(y, n_train, plan.max_steps, quick)

    entries = run_contest(y, n_train, plan)
    model, result = entries[0].forecaster, entries[0].result
    scores = score_table(entries)
    _show_scores(scores, result, units)
    typer.echo(f"\nWhat was fitted\n\n{model.summary()}")

    followed = follow(model, y, n_train, plan.stream_hours)
    _show_stream(followed)

    files = [out / "scores.csv", out / "forecasts.csv"]
    _write_tables(scores, entries, *files)
    files += draw_plots(result, y, units, out)
    typer.echo("\nWritten\n\n" + "\n".join(f"  {file}" for file in files))
    _close(time.perf_counter() - begin)
    if not followed.largest_difference < _TOLERANCE:
        typer.echo("tsssm: the stream's forecasts differ from those of predict: please report this", err=True)
        raise typer.Exit(1)


def _introduce(y: pd.Series, n_train: int, max_steps: int, quick: bool) -> None:
    from tsssm_datasets import card

    about = card("electricity")
    typer.echo(
        f"\nThe data\n\n  {about.description}\n"
        f"  learned from  {n_train:,} hours, {y.index[0]} to {y.index[n_train - 1]}\n"
        f"  tested on     {len(y) - n_train:,} later hours, which no forecaster learns from"
    )
    if quick:
        typer.echo(
            f"\n  This is a quick run: at most {max_steps} training steps, on a part of the data. Its figures are not\n"
            "  the model's best: for those, run `tsssm demo` without --quick, which takes a few minutes."
        )
    typer.echo(f"\nFitting four forecasters ({max_steps} training steps for the first; this takes the longest) ...")


def _show_scores(scores: pd.DataFrame, result, units: str) -> None:
    first, last = result.cutoffs[0], result.cutoffs[-1] + result.horizon - 1
    index = result.table.timeline.index
    typer.echo(
        f"\nHow good the forecasts are: {len(result.cutoffs)} forecasts of {result.horizon} hours, "
        f"{index[first]} to {index[last]}\n"
    )
    head = _TITLE.format(
        title="", MASE="MASE", RMSSE="RMSSE", MAE=f"MAE ({units})", coverage="in 80% interval", seconds="fit (s)"
    )
    typer.echo(head)
    for row in scores.to_dict("records"):
        alone = row["fit_seconds"] != row["fit_seconds"]  # NaN: a part of the forecaster above
        typer.echo(
            _TITLE.format(
                title=row["forecaster"],
                MASE=f"{row['MASE']:.3f}",
                RMSSE=f"{row['RMSSE']:.3f}",
                MAE=f"{row['MAE']:.1f}",
                coverage="" if alone else f"{row['coverage_80']:.1%}",
                seconds="" if alone else f"{row['fit_seconds']:.1f}",
            )
        )
    typer.echo(
        "\n  The Mamba forecaster's forecast is the mean of two parts: a ridge regression (base) and a Mamba network.\n"
        "  MASE   mean error; 1 is as large as that of repeating yesterday's hours was in the data learned from\n"
        "  RMSSE  the same for squared errors: large misses weigh more\n"
        f"  MAE    mean absolute error in {units}\n"
        "  in 80% interval: share of the hours inside the interval that is meant to hold 80% of them"
    )


def _show_stream(followed: Followed) -> None:
    typer.echo(
        f"\nThe same model, live: {followed.hours} hours arrive one at a time, a new forecast after each\n\n"
        f"  largest difference to predict() on the whole history  {followed.largest_difference:.1e} of the series' "
        f"deviation (allowed: {_TOLERANCE:g})\n"
        f"  median time of update and forecast                    {followed.stream_ms:.2f} ms\n"
        f"  median time of predict() on the whole history         {followed.batch_ms:.2f} ms\n"
        f"  memory of the stream                                  {followed.state_bytes:,} bytes, however long it runs"
    )


def _write_tables(scores: pd.DataFrame, entries: list, scores_file: Path, forecasts_file: Path) -> None:
    import pandas as pd

    from tsssm.cli.tables import write_csv

    write_csv(scores.assign(forecaster=scores["forecaster"].str.strip()), scores_file, index=False)
    parts = [entry.result.forecasts.assign(forecaster=entry.title) for entry in entries]
    write_csv(pd.concat(parts, ignore_index=True), forecasts_file, index=False)


def _close(seconds: float) -> None:
    typer.echo(f"\nAll of it took {seconds:.0f} seconds.\n\nWhat next\n")
    typer.echo("  tsssm datasets electricity --out electricity.csv        # the data as a table")
    typer.echo("  tsssm fit electricity.csv --horizon 24 --out my-model   # put your own CSV file in its place")
    typer.echo("  tsssm predict my-model --coverage 0.8                   # the next day, with an interval")
