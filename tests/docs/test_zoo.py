"""The zoo's page has every mixer, with its picture, a place for its row, and the channel mixer that it asks for."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path

import pytest

from tsssm.mixers.registry import known_mixers

DOCS = Path(__file__).parents[2] / "docs"
BENCHMARKS = DOCS.parent / "recipes" / "benchmarks"
TEXT = (DOCS / "zoo.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]}
CHANNEL_MIXERS = {"mlp", "swiglu", "rwkv_channel_mix"}
MIXERS = known_mixers()


def test_every_mixer_has_a_section():
    assert set(SECTIONS) == set(MIXERS)


@pytest.mark.parametrize("name", sorted(set(MIXERS) - CHANNEL_MIXERS))
def test_a_section_is_whole(name):
    section = SECTIONS[name]
    assert section.count(f"<!-- zoo-row: {name} -->\n") == TEXT.count(f"<!-- zoo-row: {name} -->") == 1
    assert re.search(rf"<!-- zoo-row: {name} -->\n(.*\n)*?<!-- end -->\n", section)
    assert section.count("$$") >= 2
    assert (DOCS / "drawings" / "zoo" / f"{name}.svg").is_file()
    assert f"](drawings/zoo/{name}.svg)" in TEXT


def test_every_picture_is_shown():
    shown = set(re.findall(r"\]\(drawings/zoo/(\w+\.svg)\)", TEXT))
    assert shown == {svg.name for svg in (DOCS / "drawings" / "zoo").glob("*.svg")}


@pytest.mark.parametrize("channel", sorted(CHANNEL_MIXERS))
def test_who_asks_for_a_channel_mixer(channel):
    asking = {name for name, mixer in MIXERS.items() if isinstance(mixer(16).channel_mixer(), MIXERS[channel])}
    assert asking == set(re.findall(r"`(\w+)`", SECTIONS[channel].partition("\n## ")[0]))


def test_the_rows_are_those_of_the_measured_file():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        script = importlib.import_module("zoo_page")
    finally:
        sys.path.remove(str(BENCHMARKS))
    report, lengths = (json.loads((DOCS / "benchmarks" / name).read_text(encoding="utf-8")) for name in script.REPORTS)
    assert script.fill(TEXT, report, lengths) == TEXT, "run python recipes/benchmarks/zoo_page.py"
    shown = {name for name, section in SECTIONS.items() if "± " in section}
    assert shown == set(report["sizes"]) & set(MIXERS)


def test_places_that_a_script_fills():
    assert TEXT.count("<!-- zoo-table -->") == 1
