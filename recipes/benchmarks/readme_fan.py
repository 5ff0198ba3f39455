"""Draw the README's picture: electricity demand of the untouched last fifth, forecast with its intervals.

python recipes/benchmarks/readme_fan.py
"""

from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt

import tsssm_datasets
from tsssm import MambaForecaster

HORIZON, CUTOFF = 48, "2014-11-13 23:00"


def main() -> None:
    y = tsssm_datasets.load("electricity")
    model = MambaForecaster(HORIZON, verbose=False).fit(y.iloc[: int(0.8 * len(y))])
    figure, ax = plt.subplots(figsize=(9, 3.6), layout="constrained", dpi=120)
    model.plot(y.loc[:CUTOFF], actual=y, ax=ax)
    figure.suptitle("Hourly electricity demand, two days ahead, six months after the training data end", fontsize=11)
    ax.set_ylabel("kW a client")
    figure.savefig(Path(__file__).resolve().parents[2] / "docs" / "images" / "fan.png")


if __name__ == "__main__":
    main()
