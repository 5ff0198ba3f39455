"""Write the measured rows of docs/zoo.md from docs/benchmarks/zoo.json.

python recipes/benchmarks/zoo_page.py
"""

from __future__ import annotations

import json
import re
from typing import Any

from report import RESULTS

SETS = {
    "ETTh1": "ETTh1",
    "vic": "vic_electricity",
    "bike": "bike_sharing_hourly",
    "demo": "electricity",
    "retail": "aus_retail",
}
PAGE = RESULTS.parent / "zoo.md"


def main() -> None:
    report = json.loads((RESULTS / "zoo.json").read_text())
    PAGE.write_text(fill(PAGE.read_text(), report))
    print(f"written to docs/{PAGE.name}")


def fill(page: str, report: dict[str, Any]) -> str:
    """The page with every row, and the whole table, as the report has them."""
    page = _between(page, "zoo-table", f"{error_table(report)}\n\n{cost_table(report)}")
    for mixer in report["sizes"]:
        if f"<!-- zoo-row: {mixer} -->" in page:
            page = _between(page, f"zoo-row: {mixer}", f"{error_table(report, mixer)}\n\n{cost_table(report, mixer)}")
    return page


def error_table(report: dict[str, Any], only: str | None = None) -> str:
    """Mean squared errors of the network, with their deviation over seeds, and of its mean with the ridge."""
    lines = [
        "| | " + " | ".join(f"{SETS[name]}: network | with the ridge" for name in report["results"]) + " |",
        "|---" * (1 + 2 * len(report["results"])) + "|",
    ]
    for mixer in _chosen(report, only):
        cells = []
        for dataset in report["results"]:
            result = report["results"][dataset][mixer]
            p_values = result["p_value_against_attention"]
            network, both = (_number(result["mse_mae"][part][0]) for part in ("network", "both"))
            deviation = _number(result["sd"]["network"][0])
            cells += [f"{network} ± {deviation}{_p(p_values, 'network')}", f"{both}{_p(p_values, 'both')}"]
        lines.append(f"| `{mixer}` | " + " | ".join(cells) + " |")
    if only is None:
        base = [
            _number(next(iter(report["results"][dataset].values()))["mse_mae"]["base"][0])
            for dataset in report["results"]
        ]
        lines.append("| the ridge alone | " + " | ".join(f"{error} | {error}" for error in base) + " |")
    return "\n".join(lines)


def cost_table(report: dict[str, Any], only: str | None = None) -> str:
    """Sizes, and what a stream and a fit take."""
    lines = [
        "| | width | parameters of blocks | state, bytes | operations of a step | update, µs | fit, CPU s "
        "| learning rates |",
        "|---" * 8 + "|",
    ]
    for mixer in _chosen(report, only):
        size = report["sizes"][mixer]
        results = [report["results"][dataset][mixer] for dataset in report["results"]]
        lines.append(
            f"| `{mixer}` | {size['d_model']} | {size['backbone']:,} | {size['network_state_bytes']:,} "
            f"| {size['step_flops']:,} | {report['update_us'][mixer]:.0f} "
            f"| {report['results']['vic'][mixer]['fit_cpu_seconds']:.0f} "
            f"| {', '.join(format(result['learning_rate'], 'g') for result in results)} |"
        )
    return "\n".join(lines)


def _chosen(report: dict[str, Any], only: str | None) -> list[str]:
    return list(report["sizes"]) if only is None else [only]


def _number(value: float) -> str:
    """Four digits after the point, without the zero before it."""
    return f"{value:.4f}".removeprefix("0")


def _p(p_values: dict[str, float] | None, part: str) -> str:
    """A star where a difference from attention is more than chance."""
    return "\\*" if p_values is not None and p_values[part] < 0.05 else ""


def _between(page: str, marker: str, text: str) -> str:
    pattern = re.compile(rf"(<!-- {re.escape(marker)} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert pattern.search(page), marker
    return pattern.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


if __name__ == "__main__":
    main()
