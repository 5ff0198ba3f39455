"""Names of a package that are imported when first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    package: str, modules: Mapping[str, str], later: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make a package's ``__getattr__`` and ``__dir__`` from a table of its public names.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    modules : mapping of str to str
        Public name -> module that holds it.
    later : collection of str
        Names that a later version will have, refused as such.

    Returns
    -------
    tuple
        ``__getattr__`` and ``__dir__``.

    Examples
    --------
    >>> getattribute, _ = lazy_names("fractions", {"Fraction": "fractions"})
    >>> getattribute("Fraction")(1, 2)
    Fraction(1, 2)
    """

    def get(name: str) -> Any:
        if name in later:
            raise AttributeError(f"{package}.{name} comes with a later version")
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(sorted(modules))}")
        return getattr(importlib.import_module(modules[name]), name)

    def names() -> list[str]:
        return sorted(modules)

    return get, names
