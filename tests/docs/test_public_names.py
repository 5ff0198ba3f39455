"""Every public name resolves, says what it is, and shows how it is used."""

from __future__ import annotations

import importlib
import inspect

import pytest

PACKAGES = (
    "tsssm",
    "tsssm.comparison",
    "tsssm.data",
    "tsssm.errors",
    "tsssm.forecasters",
    "tsssm.linear",
    "tsssm.metrics",
    "tsssm.mixers",
    "tsssm.network",
    "tsssm.plotting",
    "tsssm.training",
    "tsssm.tuning",
    "tsssm_datasets",
    "tsssm_kernels",
    "tsssm_kernels.mamba_inner",
    "tsssm_kernels.selective_scan",
)

MADE_BY_OTHERS = "users get one and never build one; the function that makes it has the example"
IN_THE_PAGE = "the page plain_trainer.md uses it in a complete example"
ONE_LINE = "its one-line docstring is the whole of its definition"
PART_OF_FIT = "a part of `fit`, tested by itself and used through LinearForecaster, which has an example"

WITHOUT_EXAMPLE = {
    "tsssm.comparison.Comparison": MADE_BY_OTHERS,
    "tsssm.comparison.DieboldMariano": MADE_BY_OTHERS,
    "tsssm.data.Batch": MADE_BY_OTHERS,
    "tsssm.data.Covariates": MADE_BY_OTHERS,
    "tsssm.data.Panel": "its constructor for users, from_columns, has the example",
    "tsssm.data.Table": MADE_BY_OTHERS,
    "tsssm.data.WindowSource": IN_THE_PAGE,
    "tsssm.data.label_from_json": ONE_LINE,
    "tsssm.linear.Cutoffs": ONE_LINE,
    "tsssm.linear.Ridge": MADE_BY_OTHERS,
    "tsssm.linear.fit_ridge": PART_OF_FIT,
    "tsssm.linear.training_cutoffs": PART_OF_FIT,
    "tsssm.linear.validation_cutoffs": PART_OF_FIT,
    "tsssm.network.Block": "ForecastNetwork, which is a stack of them, has the example",
    "tsssm.network.future_rows": IN_THE_PAGE,
    "tsssm.network.horizon_weights": ONE_LINE,
    "tsssm.network.token_features": IN_THE_PAGE,
    "tsssm.network.token_width": ONE_LINE,
    "tsssm.training.Checkpoints": PART_OF_FIT,
    "tsssm.training.TrainingTask": PART_OF_FIT,
    "tsssm.training.WindowDataModule": IN_THE_PAGE,
    "tsssm.training.search_schedule": PART_OF_FIT,
    "tsssm.training.train_network": "Forecaster.fit is its example; plain_trainer.md shows the way without it",
}


def public_names():
    for package in PACKAGES:
        yield from (f"{package}.{name}" for name in importlib.import_module(package).__all__)


def resolve(name: str):
    package, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(package), attribute)


def has_example(thing) -> bool:
    return "Examples\n--------" in inspect.cleandoc(thing.__doc__ or "")


def written_docstring(thing) -> str:
    """The docstring someone wrote: not the signature that `dataclass` puts in its place."""
    text = inspect.cleandoc(thing.__doc__ or "")
    return "" if text.startswith(f"{thing.__name__}(") else text


def needs_example(thing) -> bool:
    """Exceptions are raised by the library, and constants are values: neither is called by anyone."""
    return callable(thing) and not (inspect.isclass(thing) and issubclass(thing, BaseException))


@pytest.mark.parametrize("name", list(public_names()))
def test_a_public_name_resolves_and_is_documented(name):
    thing = resolve(name)
    if callable(thing):
        assert written_docstring(thing), f"{name} has no docstring"
    if needs_example(thing) and name not in WITHOUT_EXAMPLE:
        assert has_example(thing), f"{name} has no Examples section; write one, or say why not in WITHOUT_EXAMPLE"


@pytest.mark.parametrize("name", list(WITHOUT_EXAMPLE))
def test_no_stale_excuse(name):
    assert name in set(public_names())
    assert not has_example(resolve(name)), f"{name} has an example by now; take it off the list"


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_a_list_of_distinct_names(package):
    names = importlib.import_module(package).__all__
    assert len(names) == len(set(names)) > 0


def test_no_public_package_is_forgotten():
    import pkgutil

    import tsssm

    found = {f"tsssm.{m.name}" for m in pkgutil.iter_modules(tsssm.__path__) if m.ispkg} - {"tsssm.cli"}
    assert found <= set(PACKAGES)


def test_the_checks_see_a_missing_docstring_and_example():
    from dataclasses import dataclass

    @dataclass
    class Bare:
        x: int

    def example():
        """Do it.

        Examples
        --------
        >>> 1
        1
        """

    assert written_docstring(Bare) == ""
    assert not has_example(Bare)
    assert has_example(example)
    assert needs_example(Bare)
    assert not needs_example(KeyError)
