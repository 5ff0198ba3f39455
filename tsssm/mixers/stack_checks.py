"""Whether a stack can be built with settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tsssm.errors import ConfigError

from .layer_parameters import stack_parameters
from .stack import Stack
from .stack_settings import SEPARATOR, kinds, plain_settings, settings_of, stack_setting_names

__all__ = ["check_setting_names", "check_stack_settings"]

_ANY_CONTEXT = 30  # tokens; no parameter depends on them


def check_stack_settings(stack: Stack, given: Mapping[str, Any] | None, d_model: int) -> None:
    """Refuse settings that no mixer of the stack has, or with which one cannot be built.

    Raises
    ------
    ConfigError
        A name is unknown, a value no plain one, or a mixer refuses.
    """
    check_setting_names(stack, given)
    for mixer in kinds(stack):
        settings = mixer.settings_for(_ANY_CONTEXT) | settings_of(mixer, given)
        stack_parameters((mixer,), d_model, settings)


def check_setting_names(stack: Stack, given: Any) -> None:
    """Refuse settings that no mixer of the stack has, and values that are not plain.

    Raises
    ------
    ConfigError
    """
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise ConfigError(f"mixer_settings must be a dict of settings by name, or None; got {given!r}")
    allowed = stack_setting_names(stack)
    for name, value in plain_settings(given).items():
        if name not in allowed:
            names = [mixer.name for mixer in kinds(stack)]
            whose = f"which {names[0]!r} does not" if len(names) == 1 else f"which none of {', '.join(names)} does"
            known = ", ".join(n for n in allowed if len(names) > 1 or SEPARATOR not in n) or "none"
            raise ConfigError(f"mixer_settings has {name!r}, {whose}; its settings are: {known}")
        if not (value is None or isinstance(value, bool | int | float | str)):
            raise ConfigError(f"mixer_settings[{name!r}] must be a number, a text, True, False or None; got {value!r}")
