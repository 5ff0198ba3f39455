"""Follow a live series, and draw each new forecast as it comes.

    python recipes/streaming_plot.py --out live            # four days of electricity demand, a few minutes
    python recipes/streaming_plot.py --out live --quick    # one day and a small model: half a minute
    python recipes/streaming_plot.py --out live --show     # in a window, as well

The series is not really live: the last days of the bundled electricity demand are handed to the stream hour by hour,
as a meter would. A stream takes in one value at a time and forecasts afresh after each; it holds a state of fixed size,
and its forecasts equal `predict` on the whole history. Put your own source in the place of `live_values`.

Written to the folder: `stream.gif`, `last.png` and `forecasts.csv` (what was forecast an hour and a day before).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.animation import PillowWriter

from tsssm import MambaForecaster
from tsssm.plotting import plot_forecast
from tsssm_datasets import load

HORIZON, SHOWN = 24, 72  # hours ahead, and hours of history in the picture
LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
SETTINGS = {
    "full": {"max_steps": 300},
    "quick": {"max_steps": 20, "d_model": 16, "n_layers": 1, "context_length": 240},
}


def main(arguments: list[str] | None = None) -> None:
    options = read_arguments(arguments)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)

    # 1. A fitted model, and a stream that goes on from its data.
    y = load("electricity")["2014-09" if options.quick else "2014" :]
    history = y.iloc[: -options.hours]
    settings = SETTINGS["quick" if options.quick else "full"]
    model = MambaForecaster(HORIZON, learning_rate=2e-3, verbose=False, **settings).fit(history)
    stream = model.stream()
    print(stream)

    # 2. One value in, one forecast out, one picture.
    seen, said, milliseconds = history.iloc[-SHOWN:], {}, []
    figure, ax = plt.subplots(figsize=(9.0, 4.2), layout="constrained")
    movie = PillowWriter(fps=6)
    with movie.saving(figure, str(out / "stream.gif"), dpi=80):
        for stamp, value in live_values(y, options.hours):
            begin = time.perf_counter()
            stream.update(value, stamp)
            quantiles = stream.predict_quantiles(levels=LEVELS)
            milliseconds.append(1e3 * (time.perf_counter() - begin))

            seen = pd.concat([seen, pd.Series({stamp: value}, name=seen.name)]).iloc[-SHOWN:]
            said[stamp] = quantiles[0.5]
            draw(ax, seen, quantiles, said)
            movie.grab_frame()
            if options.show:
                plt.pause(0.05)
    figure.savefig(out / "last.png", dpi=100)
    plt.close(figure)

    # 3. What was forecast, beside what came.
    table = said_before(said, y.iloc[-options.hours :])
    table.to_csv(out / "forecasts.csv", index_label="time")
    errors = table[["an hour before", "a day before"]].sub(table["actual"], axis=0).abs().mean()
    print(f"mean absolute error: {errors.round(1).to_dict()}")
    print(f"median time of an update and a forecast: {np.median(milliseconds):.1f} ms")
    print(f"all that the stream remembers: {stream.state_bytes():,} bytes, as at the start")


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Follow a live series and draw each new forecast.")
    parser.add_argument("--out", default="live", help="folder for all that is written")
    parser.add_argument("--hours", type=int, help="values to take in; default: 96, or 30 with --quick")
    parser.add_argument("--show", action="store_true", help="draw in a window as well")
    parser.add_argument("--quick", action="store_true", help="a small form of half a minute")
    options = parser.parse_args(arguments)
    options.hours = options.hours or (30 if options.quick else 96)
    return options


def live_values(y: pd.Series, hours: int) -> Iterator[tuple[pd.Timestamp, float]]:
    """The last hours one by one; a real source would wait for each."""
    yield from y.iloc[-hours:].items()


def draw(ax: plt.Axes, seen: pd.Series, quantiles: pd.DataFrame, said: dict[pd.Timestamp, pd.Series]) -> None:
    """What was seen, what is forecast now, and what had been forecast a day before for the hours that were seen."""
    ax.clear()
    plot_forecast(seen, quantiles[0.5], quantiles, ax=ax)
    earlier = {forecast.index[-1]: forecast.iloc[-1] for forecast in said.values() if forecast.index[-1] in seen.index}
    if earlier:
        ax.plot(list(earlier), list(earlier.values()), color="0.5", linewidth=1.2, linestyle="--", zorder=2.5)
        ax.annotate("dashed: forecast a day before", (0.01, 0.03), xycoords="axes fraction", color="0.35", fontsize=8)
    ax.annotate(f"{seen.index[-1]:%a %d %b, %H:%M}", (1.0, 1.03), xycoords="axes fraction", ha="right", fontsize=10)
    ax.set_ylim(0.7 * float(seen.min()), 1.2 * float(seen.max()))


def said_before(said: dict[pd.Timestamp, pd.Series], actual: pd.Series) -> pd.DataFrame:
    """What the stream had forecast for each hour, one step and a horizon before it; NaN where it had not begun."""
    steps = {"an hour before": 0, "a day before": HORIZON - 1}
    columns = {
        name: pd.Series({forecast.index[step]: forecast.iloc[step] for forecast in said.values()}, dtype=float)
        for name, step in steps.items()
    }
    return pd.DataFrame({"actual": actual}).join(pd.DataFrame(columns))


if __name__ == "__main__":
    main()
