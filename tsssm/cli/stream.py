"""`tsssm stream`: observations on standard input, a forecast after each on standard output."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tsssm.cli.options import TimeColumn

__all__ = ["stream"]


class Refresh(StrEnum):
    """How often the network runs."""

    STEP = "step"
    PATCH = "patch"


def stream(
    model_dir: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder that `tsssm fit` made.")],
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep the stream here at the end, and go on from it if one is kept here already (--cold and --data "
            "then have had their turn).",
        ),
    ] = None,
    every: Annotated[int, typer.Option(metavar="N", min=1, help="Forecast after every Nth row.")] = 1,
    refresh: Annotated[
        Refresh | None, typer.Option(help="Run the network at each row, or once a patch with far less memory.")
    ] = None,
    cold: Annotated[bool, typer.Option("--cold", help="Start without any history.")] = False,
    data: Annotated[
        Path | None, typer.Option(metavar="NEWER.csv", help="Start after this table. Default: after the data of fit.")
    ] = None,
    coverage: Annotated[float | None, typer.Option(metavar="0.8", help="Add the central interval.")] = None,
    quantiles: Annotated[str | None, typer.Option(metavar="0.1,0.5,0.9", help="Add quantiles.")] = None,
    x_future: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Covariates of the rows to come and of the steps ahead of them."),
    ] = None,
    time: TimeColumn = None,
) -> None:
    """Follow a live series: a row on each line of standard input, a forecast as a line of JSON after each.

    \b
    Examples, after `tsssm fit electricity.csv --horizon 24 --out my-model`:
      tsssm stream my-model --state my-stream < today.csv
      tail -f meter.csv | tsssm stream my-model

    \b
    A line is one of three, and the first one tells which:
      a number (of several series, their numbers parted by commas), the row that comes next;
      a row of CSV, under a header that names the time and the series;
      {"time": "2015-01-01 00:00", "value": 3.5}, or "values": {"north": 3.5, "south": 4} of several series.
    NaN, an empty field or null is unobserved.

    A line that cannot be taken in ends the run with its number; what came before it is kept. So it is at the end of the
    input, on SIGTERM and on Ctrl-C.
    """
    import signal
    import sys

    from tsssm.cli.following.begin import begin_stream, kept_stream
    from tsssm.cli.following.follow import Follower, check_levels
    from tsssm.cli.following.known_ahead import read_known_ahead
    from tsssm.cli.following.lines import Lines
    from tsssm.cli.forecast_table import read_levels

    levels = read_levels(coverage, quantiles)
    mode = None if refresh is None else refresh.value
    followed = None if state is None else kept_stream(state, model_dir, mode)
    if followed is None:
        followed = begin_stream(model_dir, mode, cold=cold, data=data, time=time)
    check_levels(followed, levels)
    X = read_known_ahead(followed, x_future, time)
    follower = Follower(followed, levels=levels, every=every, time=time, X=X)
    with Lines() as lines:
        try:
            follower.follow(lines, sys.stdout)
        finally:
            if state is not None:
                followed.save(state)
    if lines.asked == signal.SIGINT:
        raise KeyboardInterrupt
    if lines.asked is not None:
        raise typer.Exit(128 + lines.asked)
