"""Trials that fall behind end early, and are never the best."""

from __future__ import annotations

import math

import optuna
import pytest

from tsssm.tuning.pruning import PARTS, Report
from tsssm.tuning.trials import best_trial, ended
from tuning.small_search import Y, search, small_model

RATES = {"learning_rate": [0.05, 1e-7]}


def test_hopeless_trials_are_pruned():
    result = search(small_model(max_steps=10, learning_rate=0.05), space=RATES, n_trials=12)
    trials = result.trials
    pruned = trials["state"] == "pruned"
    assert pruned.sum() >= 2
    assert (trials.loc[pruned, "learning_rate"] == 1e-7).all()
    assert (trials.loc[pruned, "steps"] == 4).all()  # two fifths of ten
    assert (trials.loc[~pruned, "steps"] == 10).all()
    assert trials.loc[pruned, "score"].isna().all()
    assert (trials.index[pruned] > 4).all()  # five complete ones come first
    assert result.best_params == {"learning_rate": 0.05}


def test_the_reports_on_the_way_do_not_change_a_training():
    trials = search(small_model(max_steps=10), space=RATES, n_trials=3).trials[1:]
    for rate, score in zip(trials["learning_rate"], trials["score"]):
        fitted = small_model(max_steps=10, learning_rate=rate).fit(Y)
        assert fitted.validation_["mase"]["both"] == score


def test_a_metric_of_ones_own_is_not_pruned_by():
    def error(model):
        return float(model.validation_["mase"]["both"])

    trials = search(small_model(max_steps=10, learning_rate=0.05), space=RATES, n_trials=12, metric=error).trials
    assert (trials["learning_rate"] == 1e-7).sum() >= 2
    assert (trials["state"] == "complete").all()


def test_a_schedule_chosen_by_validation_is_not_pruned(monkeypatch):
    from tsssm.forecasters import learn

    monkeypatch.setattr(learn, "LENGTHS", (4, 6))
    result = search(small_model(max_steps="auto"), space={"dropout": (0.0, 0.4)}, n_trials=7)
    assert (result.trials["state"] == "complete").all()
    assert result.trials["steps"].isin([4, 6]).all()
    assert all(not trial.intermediate_values for trial in result.study.trials)
    assert result.best_model.max_steps == "auto"


def test_a_pruned_trial_is_never_the_best():
    study = optuna.create_study()
    for state, value in (("COMPLETE", 2.0), ("PRUNED", 0.1), ("COMPLETE", 1.0), ("FAIL", None), ("COMPLETE", 1.0)):
        study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState[state], value=value))
    assert best_trial(study).number == 2
    assert len(ended(study)) == 5


class Told:
    def __init__(self):
        self.reports = {}

    def report(self, loss, part):
        self.reports[part] = loss

    def should_prune(self):
        return self.reports[max(self.reports)] > 1.0


@pytest.mark.parametrize("max_steps", [1, 3, 5, 7, 12, 300, 1501])
def test_reports_are_at_fifths_of_the_schedule(max_steps):
    told = Told()
    report = Report(told, max_steps)
    stops = [report(step, 0.5) for step in range(report.every, max_steps + 1, report.every)]
    assert not any(stops)
    assert list(told.reports) == list(range(1, 1 + min(PARTS, max_steps)))
    assert max_steps < PARTS or abs(PARTS * report.every - max_steps) < PARTS


def test_a_trial_stops_when_told_to_but_not_at_its_end_nor_for_want_of_a_number():
    report = Report(Told(), 10)
    assert [report(2, 0.9), report(4, 1.1)] == [False, True]
    assert report.pruned
    report = Report(Told(), 10)
    assert not report(10, 1.1)
    assert not Report(Told(), 10)(2, math.nan)
