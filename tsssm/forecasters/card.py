"""The model card that is saved beside a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsssm.forecasters.forecaster import Forecaster

__all__ = ["model_card"]


def model_card(forecaster: Forecaster) -> str:
    """Data, training, errors and use of a forecaster, in Markdown."""
    summary, known = forecaster.summary(), forecaster._known
    lines = [f"# {summary.title}", "", *(f"- {name}: {value}" for name, value in summary.facts.items()), ""]
    if known is not None:
        index, names = known.table.timeline.index, known.table.names
        shown = ", ".join(str(name) for name in names[:10]) + (", ..." if len(names) > 10 else "")
        lines += [f"Fitted on {len(names)} series ({shown}), {len(index)} rows from {index[0]} to {index[-1]}.", ""]
    if len(summary.validation):
        lines += ["Errors on the validation part (last rows of each series, not learned from):", ""]
        lines += ["| part | MAE | MASE |", "|---|---|---|"]
        lines += [f"| {part} | {row.mae:.4g} | {row.mase:.4g} |" for part, row in summary.validation.iterrows()]
        lines += [""]
    lines += [f"Note: {note}." for note in summary.notes]
    lines += ["Load it with `tsssm.load(folder)`.", ""]
    return "\n".join(lines)
