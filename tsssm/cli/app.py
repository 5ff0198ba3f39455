"""The program `tsssm` and its commands. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from tsssm.cli.backtest import backtest
from tsssm.cli.compare import compare
from tsssm.cli.datasets import datasets
from tsssm.cli.demo import demo
from tsssm.cli.fit import fit
from tsssm.cli.one_line_errors import OneLineErrors
from tsssm.cli.predict import predict
from tsssm.cli.stream import stream
from tsssm.cli.tune import tune

__all__ = ["app", "main"]

app = typer.Typer(
    name="tsssm",
    cls=OneLineErrors,
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,  # an unexpected error shows Python's own traceback
    rich_markup_mode=None,
)
for command in (demo, fit, predict, stream, backtest, compare, tune, datasets):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from tsssm import __version__

        typer.echo(f"tsssm {__version__}")
        raise typer.Exit


@app.callback()
def tsssm(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Forecast time series from CSV files with state-space models.

    \b
    See it at work on real data, in a few minutes:
      tsssm demo

    \b
    Forecast your own hourly table (a column of time stamps, a column a series):
      tsssm fit load.csv --horizon 24 --out my-model
      tsssm predict my-model --coverage 0.8

    `tsssm COMMAND --help` shows an example of each command.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line with the process's own arguments, and exit.

    The exit code is 0, 1 for an unexpected error (which shows its traceback), 2 for an error of the user's (one line
    on standard error) or 130 after Ctrl-C.
    """
    # torch's threads (GNU OpenMP) spin long before they sleep, which starves them on a machine with other work to do;
    # this much spinning is as fast on an idle one
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    typer.main.get_command(app).main(prog_name="tsssm")
