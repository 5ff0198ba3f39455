"""Forecast electricity demand, start to end: look, fit with holidays, judge beside simple forecasts, save, forecast.

    python recipes/demand_forecast.py --out demand            # some minutes
    python recipes/demand_forecast.py --out demand --quick    # the same, small: half a minute
    python recipes/demand_forecast.py --out demand --data load.csv --horizon 48

The data are the hourly demand that comes with the library. The hours of the day and the days of the week the model
knows by itself; which days are holidays it has to be told, as a column that is known in advance. A file of your own has
time stamps in its first column and the demand in the second, and goes without holidays: put your own in `holidays`.

Written to the folder: `data.png`, `errors.csv`, `windows.png`, `model/`, `forecast.csv` and `forecast.png`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import tsssm
from tsssm import LinearForecaster, MambaForecaster, SeasonalNaive, compare
from tsssm.plotting import plot_forecast
from tsssm_datasets import load

SETTINGS = {"full": {}, "quick": {"max_steps": 20, "d_model": 16, "n_layers": 1, "context_length": 240}}
WEEK = 168  # hours

# Month and day; the moving ones are left out. Portugal's, where the clients are.
HOLIDAYS = ((1, 1), (4, 25), (5, 1), (6, 10), (8, 15), (12, 8), (12, 25))


def main(arguments: list[str] | None = None) -> None:
    options = read_arguments(arguments)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)

    # 1. Load and look. A gap, a jump or a change of unit is seen at once and costs more than any model can gain.
    y = read_data(options.data, quick=options.quick)
    print(f"{len(y):,} hours, {y.index[0]} to {y.index[-1]}, {int(y.isna().sum())} of them without a value")
    draw_data(out / "data.png", y)

    # 2. What is known in advance. Its rows go on beyond the data, for as long as is to be forecast.
    ahead = pd.date_range(y.index[0], periods=len(y) + options.horizon, freq="h")
    X = None if options.data else holidays(ahead)

    # 3. Learn from all but the last windows: a month of days.
    n_test = options.windows * options.horizon
    train = y.iloc[:-n_test]
    settings = SETTINGS["quick" if options.quick else "full"]
    model = MambaForecaster(options.horizon, verbose=not options.quick, **settings).fit(train, X)
    print(model.summary())

    # 4. Judge it on that month, beside forecasts that cost nothing. It is not fitted again: no window was seen.
    rivals = {
        "mamba": model,
        "linear": LinearForecaster(options.horizon, verbose=False),
        "same hour last week": SeasonalNaive(options.horizon, season_length=WEEK, verbose=False),
    }
    result = compare(rivals, y, X, n_windows=options.windows, metrics=("mae", "mase"))
    print(result)
    result.table.to_csv(out / "errors.csv", index_label="model")
    by_day = errors_by_day(result.forecasts)
    print("The days that were hardest to forecast, mean absolute error:")
    print(by_day.sort_values("mamba", ascending=False).head(3).round(1).to_string())
    draw_windows(out / "windows.png", by_day)

    # 5. Keep it, and use it as a job would that runs every night: load, give the newest data, forecast. No new fit.
    model.save(out / "model")
    again = tsssm.load(out / "model")
    point, bounds = again.predict(y, X), again.predict_interval(y, X, coverage=0.8)
    bounds.assign(forecast=point).to_csv(out / "forecast.csv", index_label="time")
    quantiles = again.predict_quantiles(y, X)
    ax = plot_forecast(y.iloc[-5 * 24 :], point, quantiles, title="The next hours, from the newest data")
    save_figure(ax.figure, out / "forecast.png")
    print(f"written to {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Forecast hourly electricity demand, start to end.")
    parser.add_argument("--out", default="demand", help="folder for all that is written")
    parser.add_argument("--data", help="a CSV file: hourly time stamps, then the demand; default: the bundled data")
    parser.add_argument("--horizon", type=int, default=24, help="hours ahead")
    parser.add_argument("--windows", type=int, help="forecasts to judge by; default: 31, or 8 with --quick")
    parser.add_argument("--quick", action="store_true", help="a small form of half a minute")
    options = parser.parse_args(arguments)
    options.windows = options.windows or (8 if options.quick else 31)
    return options


def read_data(path: str | None, *, quick: bool) -> pd.Series:
    if path is not None:
        return pd.read_csv(path, index_col=0, parse_dates=True).iloc[:, 0]
    demand = load("electricity")
    return demand["2014-08":] if quick else demand["2013":]


def holidays(stamps: pd.DatetimeIndex) -> pd.DataFrame:
    """1 in the hours of a holiday, and 1 in those of the day before, whose evening differs as well."""
    days = pd.Series(list(zip(stamps.month, stamps.day)), stamps)
    tomorrow = stamps + pd.Timedelta(days=1)
    eves = pd.Series(list(zip(tomorrow.month, tomorrow.day)), stamps)
    return pd.DataFrame({"holiday": days.isin(HOLIDAYS), "eve": eves.isin(HOLIDAYS)}).astype(float)


def errors_by_day(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Mean absolute error, a row a window (by its first hour) and a column a model."""
    errors = (forecasts["y"] - forecasts["point"]).abs()
    by = [(forecasts["cutoff"] + pd.Timedelta(hours=1)).rename("from"), forecasts["model"]]
    return errors.groupby(by, sort=False).mean().unstack("model")


def draw_data(path: Path, y: pd.Series) -> None:
    """All of it by day, and a usual week by the hour."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(9.0, 6.0), layout="constrained")
    daily = y.resample("D").mean()
    above.plot(daily.index, daily, linewidth=0.8)
    above.set(title="by day", ylabel=str(y.name))
    hour = y.index.day_of_week * 24 + y.index.hour
    week = y.groupby(hour).quantile([0.1, 0.5, 0.9]).unstack()
    below.fill_between(week.index, week[0.1], week[0.9], alpha=0.25, linewidth=0, label="8 of 10 weeks")
    below.plot(week.index, week[0.5], label="median")
    below.set(title="a week, by the hour", ylabel=str(y.name), xlim=(0, WEEK - 1))
    below.set_xticks(range(0, WEEK, 24), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    below.legend(frameon=False)
    save_figure(figure, path)


def draw_windows(path: Path, by_day: pd.DataFrame) -> None:
    """The error of each window, so that one bad day is not mistaken for a bad model."""
    figure, ax = plt.subplots(figsize=(9.0, 3.6), layout="constrained")
    for name in by_day.columns:
        ax.plot(by_day.index, by_day[name], marker="o", markersize=3, linewidth=1.2, label=name)
    ax.set(title="error of each forecast", ylabel="mean absolute error", ylim=(0, None))
    ax.legend(frameon=False, ncols=len(by_day.columns))
    ax.tick_params(axis="x", rotation=30)
    save_figure(figure, path)


def save_figure(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
