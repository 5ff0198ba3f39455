"""`tsssm datasets`: the catalogue of real series."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["datasets"]


def datasets(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show the card of this one.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write it as CSV.")] = None,
) -> None:
    """List the data sets at hand, show one's card, or write it as CSV.

    \b
    Example:
      tsssm datasets
      tsssm datasets electricity --out electricity.csv

    Folders of your own join the list through the variable TSSSM_DATA_HOME.
    """
    from tsssm.errors import ConfigError
    from tsssm_datasets import card, list_datasets

    if name is None:
        if out is not None:
            raise ConfigError(f"--out {out}: name the data set to write, one of {', '.join(list_datasets())}")
        names = list_datasets()
        width = max(map(len, names))
        for each in names:
            typer.echo(f"{each:<{width}}  {_line(card(each))}")
    elif out is None:
        typer.echo(_card_text(card(name)))
    else:
        _export(name, out)


def _line(card) -> str:
    about = ", ".join(filter(None, (card.frequency, card.units, card.licence)))
    return f"{card.description or '(no description)'} [{about}]"


def _card_text(card) -> str:
    facts = ("name", "description", "source", "licence", "citation", "frequency", "units", "notes")
    lines = [f"{fact:<11}  {getattr(card, fact)}" for fact in facts if getattr(card, fact)]
    return "\n".join([*lines, f"{'files':<11}  {', '.join(file.name for file in card.files)}"])


def _export(name: str, out: Path) -> None:
    import pandas as pd

    from tsssm.cli.tables import write_csv
    from tsssm.errors import DataError
    from tsssm_datasets import load

    table = load(name)
    if not isinstance(table, pd.Series | pd.DataFrame):
        what = f"{len(table)} tables" if isinstance(table, dict) else "a grid"
        raise DataError(
            f"{name} is {what}, which one CSV file cannot hold. Load it in Python: tsssm_datasets.load({name!r})."
        )
    frame = table.to_frame() if isinstance(table, pd.Series) else table
    write_csv(frame, out, index=isinstance(frame.index, pd.DatetimeIndex))
    typer.echo(f"{len(frame):,} rows written to {out}")
