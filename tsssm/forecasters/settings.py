"""Check a forecaster's settings, all at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from numbers import Integral, Real
from typing import Any

import pandas as pd
import torch

from tsssm.data import CYCLES
from tsssm.errors import ConfigError
from tsssm.forecasters.byte_size import read_bytes
from tsssm.training import Training

__all__ = ["check_settings"]


def check_settings(settings: dict[str, Any]) -> None:
    """Raise one `ConfigError` that lists every fault.

    Parameters
    ----------
    settings : dict
        A forecaster's ``get_params(deep=False)``.
    """
    faults = [fault for name, check in _CHECKS.items() if name in settings for fault in check(name, settings[name])]
    if faults:
        raise ConfigError("invalid settings:\n" + "\n".join(f"- {fault}" for fault in faults))


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _integer(least: int, *words: str) -> Callable:
    def check(name: str, value: Any):
        if not ((isinstance(value, str) and value in words) or (_is_integer(value) and value >= least)):
            allowed = f"an integer of at least {least}" + "".join(f' or "{word}"' for word in words)
            yield f"{name} must be {allowed}; got {value!r}"

    return check


def _learning_rate(name: str, value: Any):
    if not (isinstance(value, str) and value == "auto"):
        yield from _positive(name, value, ' or "auto"')


def _positive(name: str, value: Any, alternative: str = ""):
    if not (_is_number(value) and 0 < value < float("inf")):
        yield f"{name} must be a number above 0{alternative}; got {value!r}"


def _time_budget(name: str, value: Any):
    if value is not None:
        yield from _positive(f"{name} (seconds)", value)


def _state_budget(name: str, value: Any):
    if value is not None and read_bytes(value) is None:
        yield f'{name} must be a number of bytes above 0, such as 65536 or "64KiB", or None; got {value!r}'


def _dropout(name: str, value: Any):
    if not (_is_number(value) and 0 <= value < 1):
        yield f"{name} must be a number from 0 to below 1; got {value!r}"


def _quantiles(name: str, value: Any):
    if isinstance(value, str) or not isinstance(value, Collection | pd.Series):
        yield f"{name} must be a sequence of levels between 0 and 1; got {value!r}"
        return
    levels = list(value)
    if not levels or not all(_is_number(level) and 0 < level < 1 for level in levels):
        yield f"{name} must be levels between 0 and 1; got {value!r}"
    elif any(b - a < 1e-6 for a, b in zip(levels, levels[1:])):
        yield f"{name} must increase, by 1e-6 or more; got {value!r}"


def _calendar(name: str, value: Any):
    if value is None or (isinstance(value, str) and value == "auto"):
        return
    if isinstance(value, str) or not isinstance(value, Iterable) or any(cycle not in CYCLES for cycle in value):
        yield f'{name} must be "auto", None or a sequence of {", ".join(map(repr, CYCLES))}; got {value!r}'


def _one_of(*allowed: Any) -> Callable:
    def check(name: str, value: Any):
        if not any(value is a or (isinstance(a, str) and isinstance(value, str) and value == a) for a in allowed):
            yield f"{name} must be {' or '.join(map(repr, allowed))}; got {value!r}"

    return check


def _training(name: str, value: Any):
    if not isinstance(value, Training):
        yield f"{name} must be a tsssm.Training; got {value!r}"
        return
    if value.checkpoint_dir is not None and not isinstance(value.checkpoint_dir, str | os.PathLike):
        yield f"{name}.checkpoint_dir must be a path or None; got {value.checkpoint_dir!r}"
    yield from _integer(1)(f"{name}.checkpoint_every", value.checkpoint_every)
    if value.validate_every is not None:
        yield from _integer(1)(f"{name}.validate_every", value.validate_every)
    yield from _one_of("auto", "never")(f"{name}.resume", value.resume)
    for part in ("weight_decay", "warmup", "gradient_clip"):
        number = getattr(value, part)
        most = 1.0 if part == "warmup" else 1e9
        if not (_is_number(number) and 0 <= number <= most):
            yield f"{name}.{part} must be a number from 0 to {most:g}; got {number!r}"
    if not isinstance(value.callbacks, tuple) or not all(hasattr(c, "on_train_batch_end") for c in value.callbacks):
        yield f"{name}.callbacks must be a tuple of Lightning callbacks; got {value.callbacks!r}"
    yield from _one_of("auto", "ddp", "ddp_fork", "ddp_spawn", "ddp_notebook")(f"{name}.strategy", value.strategy)
    yield from _one_of("32-true", "bf16-mixed", "16-mixed")(f"{name}.precision", value.precision)


def _random_state(name: str, value: Any):
    if not (_is_integer(value) and 0 <= value < 2**63):
        yield f"{name} must be an integer from 0 to 2**63 - 1; got {value!r}"


def _boolean(name: str, value: Any):
    if not isinstance(value, bool):
        yield f"{name} must be True or False; got {value!r}"


def _device(name: str, value: Any):
    if not isinstance(value, str) or value not in ("auto", "cpu", "cuda"):
        yield f'{name} must be "auto", "cpu" or "cuda"; got {value!r}'
    elif value == "cuda" and not torch.cuda.is_available():
        yield f'{name}="cuda", but torch finds no CUDA device here; use "auto" or "cpu"'


_CHECKS: dict[str, Callable] = {
    "horizon": _integer(1),
    "base": _one_of("ridge", None),
    "quantiles": _quantiles,
    "season_length": _integer(1, "auto"),
    "patch_length": _integer(1, "auto"),
    "context_length": _integer(1, "auto"),
    "d_model": _integer(1),
    "n_layers": _integer(1, "auto"),
    "state_budget": _state_budget,
    "dropout": _dropout,
    "calendar": _calendar,
    "gaps": _one_of("refuse", "mask"),
    "validation_size": _integer(0, "auto"),
    "max_steps": _integer(1, "auto"),
    "batch_size": _integer(1),
    "learning_rate": _learning_rate,
    "time_budget": _time_budget,
    "training": _training,
    "device": _device,
    "random_state": _random_state,
    "verbose": _boolean,
    "refit": _boolean,  # of `backtest`
}
