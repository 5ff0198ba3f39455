"""Mixers by name: every `Mixer` in a module of this package, and the user's own."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable

from tsssm.errors import ConfigError

from .mixer import Mixer
from .pattern import NAME
from .settings import SEPARATOR, setting_names

__all__ = ["find_mixer", "known_mixers"]


def find_mixer(mixer: str | type[Mixer], mixers: Iterable[type[Mixer]] = ()) -> type[Mixer]:
    """The mixer class of a short name; a class is given back as it is.

    Parameters
    ----------
    mixer : str or Mixer subclass
        A short name such as ``"mamba"``, or the class itself.
    mixers : iterable of Mixer subclasses, default ()
        Further classes to look among.

    Raises
    ------
    ConfigError
        If no mixer has that name, if two have it, or if the class is no `Mixer`.

    Examples
    --------
    >>> find_mixer("mamba").__name__
    'Mamba'
    """
    if isinstance(mixer, str):
        known = known_mixers(mixers)
        if mixer not in known:
            raise ConfigError(
                f"mixer={mixer!r} is not known; known are {sorted(known)}. "
                f"A class of your own is passed as mixer=MyMixer, and to load as mixers=[MyMixer]."
            )
        return known[mixer]
    return _checked(mixer, "mixer")


def known_mixers(mixers: Iterable[type[Mixer]] = ()) -> dict[str, type[Mixer]]:
    """All mixers by short name: those defined in modules of `tsssm.mixers`, and `mixers`.

    Raises
    ------
    ConfigError
        If two classes share a name, or one of `mixers` is no `Mixer` subclass.

    Examples
    --------
    >>> "mamba" in known_mixers()
    True
    """
    known: dict[str, type[Mixer]] = {}
    for cls in [*_own_mixers(), *(_checked(cls, "mixers") for cls in mixers)]:
        if known.setdefault(cls.name, cls) is not cls:
            raise ConfigError(
                f"the mixers {known[cls.name].__qualname__} and {cls.__qualname__} are both named {cls.name!r}. "
                f"Give yours another `name`."
            )
    return known


def _own_mixers() -> Iterable[type[Mixer]]:
    package = importlib.import_module(__package__)
    for module_info in pkgutil.iter_modules(package.__path__, f"{__package__}."):
        module = importlib.import_module(module_info.name)
        for value in vars(module).values():
            if _is_mixer(value) and value.__module__ == module.__name__ and not inspect.isabstract(value):
                yield value


def _is_mixer(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Mixer) and value is not Mixer


def _checked(mixer: object, argument: str) -> type[Mixer]:
    if not (isinstance(mixer, type) and issubclass(mixer, Mixer) and mixer is not Mixer):
        raise ConfigError(
            f"{argument} takes subclasses of tsssm.mixers.Mixer; got {mixer!r}. "
            f"Pass the class itself, not an instance, or a short name among {sorted(known_mixers())}."
        )
    for what, names in (("name", (mixer.name,)), ("settings", setting_names(mixer))):
        for name in names:
            if SEPARATOR in name or not NAME.fullmatch(name):
                raise ConfigError(
                    f"the mixer {mixer.__qualname__} has the {what} {name!r}: patterns and settings by name need "
                    f"letters from a to z, digits and single underscores. Rename it."
                )
    return mixer
