"""What a fitted forecaster is, on one screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from tsssm.forecasters.parameters import parameter_counts

if TYPE_CHECKING:
    from tsssm.forecasters.forecaster import Forecaster

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True)
class Summary:
    """Facts on a fitted forecaster; printing it gives a page of text.

    Attributes
    ----------
    title : str
    facts : dict of str to str
        What it is and how it was trained.
    validation : DataFrame
        Errors of base, network and both on the validation part.
    notes : list of str
    """

    title: str
    facts: dict[str, str]
    validation: pd.DataFrame
    notes: list[str]

    def __str__(self) -> str:
        width = max(map(len, self.facts))
        lines = [self.title, *(f"  {name:<{width}}  {value}" for name, value in self.facts.items())]
        if len(self.validation):
            table = self.validation.to_string(float_format=lambda value: f"{value:.4g}")
            lines += ["  on the validation part:", *(f"    {line}" for line in table.splitlines())]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    __repr__ = __str__


def summarise(forecaster: Forecaster) -> Summary:
    """See `Forecaster.summary`."""
    model, history = forecaster.model_, forecaster.history_
    spec = model.spec
    levels = ", ".join(f"{level:g}" for level in spec.levels)
    facts = {
        "forecasts": f"{spec.horizon} steps of {spec.frequency!r}, quantiles {levels}",
        "base": _base_text(forecaster),
        "network": "none",
    }
    if model.network is not None:
        facts["network"] = (
            f"{spec.n_layers} layers of {spec.mixer}, width {spec.d_model}, patches of {spec.patch_length}, "
            f"context {spec.context_length}"
        )
        facts["parameters"] = _parameters_text(forecaster)
        facts["inputs"] = ", ".join((*(f"calendar {c}" for c in spec.cycles), *spec.covariates)) or "the series alone"
        facts["training"] = _training_text(history)
        if len(forecaster.schedules_):
            facts["chosen from"] = _schedules_text(forecaster.schedules_)
        if model.base is not None:
            facts["point forecast"] = _share_text(spec.network_share)
    facts["state"] = _state_text(forecaster)
    facts["trained until"] = str(forecaster.training_end_)
    return Summary(
        f"{type(forecaster).__name__}(horizon={spec.horizon})", facts, forecaster.validation_, forecaster.notes_
    )


def _base_text(forecaster: Forecaster) -> str:
    model = forecaster.model_
    if model.spec.base == "ridge":
        return f"ridge on {model.lags} values, penalty {model.base.penalty:g}"  # type: ignore[union-attr]
    return f"the value {model.spec.season_length} rows ago" if model.spec.base == "seasonal" else "none"


def _parameters_text(forecaster: Forecaster) -> str:
    counts = parameter_counts(forecaster)
    parts = (f"{name} {getattr(counts, name):,}" for name in ("backbone", "embedding", "head"))
    return f"{counts.network:,} ({', '.join(parts)})" + (f", base {counts.base:,}" if counts.base else "")


def _training_text(history: pd.DataFrame) -> str:
    first, last = history["loss"].iloc[0], history["loss"].tail(max(1, len(history) // 10)).mean()
    peak = history["learning_rate"].max()
    return f"{len(history)} steps, loss {first:.4g} -> {last:.4g}, peak learning rate {peak:g}"


def _schedules_text(schedules: pd.DataFrame) -> str:
    tried = (f"{one.steps} steps at {one.learning_rate:g}: {one.error:.4g}" for one in schedules.itertuples())
    return f"{'; '.join(tried)} (scaled error on the validation part)"


def _share_text(share: float) -> str:
    if share == 0.5:
        return "the mean of base and network"
    return f"the {'network' if share else 'base'} alone, as the validation part prefers"


def _state_text(forecaster: Forecaster) -> str:
    text = f'{forecaster.state_bytes():,} bytes a series (refresh="step")'
    if forecaster.model_.base is not None:
        text += f', {forecaster.state_bytes("patch"):,} (refresh="patch")'
    return text
