"""Write the measured rows of docs/zoo.md from docs/benchmarks/zoo.json and zoo_lengths.json.

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
PARTS = {"network": "network", "with the ridge": "both"}
COSTS = [
    "width",
    "parameters of blocks",
    "state, bytes",
    "operations of a step",
    "update, µs",
    "fit, CPU s",
    "learning rates, 1e-3",
    "validation error, attention = 1",
]
REPORTS = ("zoo.json", "zoo_lengths.json")
PAGE = RESULTS.parent / "zoo.md"


def main() -> None:
    PAGE.write_text(fill(PAGE.read_text(), *(json.loads((RESULTS / name).read_text()) for name in REPORTS)))
    print(f"written to docs/{PAGE.name}")


def fill(page: str, report: dict[str, Any], lengths: dict[str, Any]) -> str:
    """The page with every row, and the whole tables, as the reports have them."""
    mixers = list(report["sizes"])
    ridge = [_number(results["attention"]["mse_mae"]["base"][0]) for results in report["results"].values()]
    network = [[f"`{mixer}`", *error_cells(report, mixer, "network")] for mixer in mixers]
    both = [[f"`{mixer}`", *error_cells(report, mixer, "both")] for mixer in mixers]
    tables = [
        "The network alone:",
        table(["", *_columns(report)], network),
        "The mean of network and ridge, which is what is forecast unless validation prefers one of them:",
        table(["", *_columns(report)], [*both, ["the ridge alone", *ridge, ""]]),
        "What they take:",
        table(["", *COSTS], [[f"`{mixer}`", *cost_cells(report, mixer)] for mixer in mixers]),
    ]
    page = between(page, "zoo-table", "\n\n".join(tables))
    page = between(page, "zoo-lengths", table(*length_rows(lengths["results"])))
    for mixer in mixers:
        if f"<!-- zoo-row: {mixer} -->" in page:
            rows = [[name, *error_cells(report, mixer, part)] for name, part in PARTS.items()]
            tables = [table(["", *_columns(report)], rows), table(COSTS, [cost_cells(report, mixer)])]
            page = between(page, f"zoo-row: {mixer}", "\n\n".join(tables))
    return page


def table(header: list[str], rows: list[list[str]]) -> str:
    """In Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))


def error_cells(report: dict[str, Any], mixer: str, part: str) -> list[str]:
    """Mean squared error and its deviation over the seeds by set, and the mean over sets in units of attention's."""
    cells = []
    for results in report["results"].values():
        result = results[mixer]
        p_values = result["p_value_against_attention"]
        star = "\\*" if p_values is not None and p_values[part] < 0.05 else ""
        cells.append(f"{_number(result['mse_mae'][part][0])} ± {_number(result['sd'][part][0])}{star}")
    return [*cells, f"{report['relative_to_attention'][mixer][part]:.3f}"]


def cost_cells(report: dict[str, Any], mixer: str) -> list[str]:
    """Sizes, and what a stream and a fit take."""
    size, results = report["sizes"][mixer], [results[mixer] for results in report["results"].values()]
    return [
        str(size["d_model"]),
        f"{size['backbone']:,}",
        f"{size['network_state_bytes']:,}",
        f"{size['step_flops']:,}",
        f"{report['update_us'][mixer]:.0f}",
        f"{report['results']['vic'][mixer]['fit_cpu_seconds']:.0f}",
        ", ".join(f"{1000 * result['learning_rate']:g}" for result in results),
        f"{report['relative_to_attention'][mixer]['validation']:.3f}",
    ]


def length_rows(results: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Errors of one training by the length of the history, and of trainings on more tokens; header and rows."""
    first = next(iter(results.values()))
    histories, trainings = first["from histories of"], [name for name in first if name != "from histories of"]
    header = ["", *(f"last {int(rows):,} rows" for rows in histories), *trainings]
    rows = [
        [
            f"`{mixer}`",
            *map(_number, of["from histories of"].values()),
            *(_number(of[name]["mse"]) for name in trainings),
        ]
        for mixer, of in results.items()
    ]
    return header, rows


def _columns(report: dict[str, Any]) -> list[str]:
    return [*(SETS[name] for name in report["results"]), "all, attention = 1"]


def _number(value: float) -> str:
    """Four digits after the point, without the zero before it."""
    return f"{value:.4f}".removeprefix("0")


def between(page: str, marker: str, text: str) -> str:
    """The page with other text between a marker and the end that follows it."""
    pattern = re.compile(rf"(<!-- {re.escape(marker)} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert pattern.search(page), marker
    return pattern.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


if __name__ == "__main__":
    main()
