"""`tsssm stream`: the forecasts of `model.stream()`, one JSON line each, and nothing lost however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tsssm
from cli.cli_csv import run
from small_models import randomise
from tsssm.cli.app import app
from tsssm.cli.following.formats import choose_reader
from tsssm.cli.following.observed import read_time, series_labels
from tsssm.errors import DataError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
SHOPS = ["north", "south"]


def sales(rows=330):
    hours = np.arange(rows)
    noise = np.random.default_rng(5).normal(size=(rows, 2))
    values = [10.0, 2e3] + [3.0, 50.0] * (np.sin(2 * np.pi * hours / 24)[:, None] + 0.1 * noise)
    return pd.DataFrame(values, pd.date_range("2024-03-01", periods=rows, freq="h", name="when"), columns=SHOPS)


@pytest.fixture(scope="module")
def live():
    return sales().iloc[300:]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    settings = {"patch_length": 6, "d_model": 8, "n_layers": 1, "max_steps": 2, "verbose": False}
    fitted = randomise(tsssm.MambaForecaster(4, **settings).fit(sales().iloc[:300]))
    fitted.save(tmp_path_factory.mktemp("stream") / "model")
    return fitted


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream") / "model"
    model.save(folder)
    return folder


def feed(text, *arguments, code=0):
    """Run in this process; what was written as parsed lines, and the standard error."""
    result = CliRunner().invoke(app, ["stream", *map(str, arguments)], input=text)
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def start(*arguments, **options):
    """A real process."""
    command = [sys.executable, "-m", "tsssm", "stream", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, text=True, **pipes | options)


def say(process, line):
    """Give a line and wait for its forecast, as a live source does."""
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def csv_lines(frame):
    return frame.to_csv().splitlines()


def check_forecast(said, stream):
    point = stream.predict()
    assert said["time"] == stream.last_time.isoformat()
    assert said["times"] == [stamp.isoformat() for stamp in point.index]
    assert list(said["forecast"]) == SHOPS
    for name in SHOPS:
        np.testing.assert_allclose(said["forecast"][name]["median"], point[name], rtol=1e-9)


@pytest.mark.slow
def test_each_line_is_answered_at_once_and_sigterm_keeps_the_stream(model, folder, live, tmp_path):
    header, *rows = csv_lines(live)
    stream, kept = model.stream(), tmp_path / "kept"
    process = start(folder, "--state", kept)
    process.stdin.write(header + "\n")
    for i in range(3):
        stream.update(live.iloc[i])
        said = say(process, rows[i])
        assert said["line"] == i + 2
        check_forecast(said, stream)
    process.send_signal(signal.SIGTERM)
    rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest, errors) == (143, "", "")
    again = tsssm.load(kept)
    assert again.last_time == live.index[2]
    np.testing.assert_array_equal(again.predict(), stream.predict())
    # the same command goes on
    said, _ = feed("\n".join([header, *rows[3:6]]), folder, "--state", kept)
    for i in range(3, 6):
        stream.update(live.iloc[i])
        check_forecast(said[i - 3], stream)
    assert tsssm.load(kept).last_time == live.index[5]


@pytest.mark.slow
def test_ctrl_c_keeps_the_stream_too(folder, live, tmp_path):
    listening = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    process = start(folder, "--state", tmp_path / "kept", **listening)
    say(process, "1,2")
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest, errors) == (130, "", "tsssm: interrupted\n")
    assert tsssm.load(tmp_path / "kept").last_time == live.index[0]


@pytest.mark.slow
def test_a_reader_that_leaves_is_no_error(folder, live, tmp_path):
    command = f'"{sys.executable}" -m tsssm stream "{folder}" --state "{tmp_path / "kept"}" | head -n 1'
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    text = "1,2\n" * 1000  # their forecasts are more than a pipe holds
    done = subprocess.run(
        command, shell=True, input=text, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert json.loads(done.stdout)["line"] == 1
    assert tsssm.load(tmp_path / "kept").last_time >= live.index[0]


@pytest.mark.slow
def test_a_refused_line_ends_the_run_and_loses_nothing(model, folder, live, tmp_path):
    header, *rows = csv_lines(live)
    text = "\n".join([header, rows[0], rows[1], rows[0], rows[2]])
    process = start(folder, "--state", tmp_path / "kept")
    out, errors = process.communicate(text, timeout=60)
    assert process.returncode == 2
    assert errors.startswith("tsssm: error: line 4: The stamp 2024-03-13 12:00:00 is not after the last stamp")
    assert errors.count("\n") == 1
    assert [json.loads(line)["line"] for line in out.splitlines()] == [2, 3]
    stream = model.stream()
    for i in range(2):
        stream.update(live.iloc[i])
    np.testing.assert_array_equal(tsssm.load(tmp_path / "kept").predict(), stream.predict())


NEXT = "2024-03-13 12:00:00"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\nfine,4", "line 2: 'fine' is no number"),
        ("1,2\n3", "line 2: 1 values, but the stream follows 2 series"),
        ("1,2\n1_000,4", "line 2: '1_000' is no number"),
        ("1,2\ninf,4", "line 2: 'north': the value is inf"),
        ("\n1,2", "line 1: it is empty and does not tell the form"),
        ("when,north,east\n", "line 1: the header's column 'east' is neither the time nor one of the series"),
        ("when,north\n", "line 1: the header lacks the series 'south'"),
        ("when,north,south,south\n", "line 1: the header has the column 'south' more than once"),
        (f"when,north,south\n{NEXT},1\n", "line 2: 2 fields, but the header has 3"),
        ("when,north,south\n13/03/2024,1,2\n", "line 2: the time '13/03/2024' is no stamp that begins with the year"),
        ("when,north,south\n2024-03-13 12:30,1,2\n", "line 2: The stamp 2024-03-13 12:30:00 is off the frequency"),
        ("when,north,south\n2024-03-13 14:00,1,2\n", "line 2: 2 rows are missing before 2024-03-13 14:00:00"),
        ('{"values": {"north": 1, "east": 2}}', "line 1: 'east' is none of the series, which are north, south"),
        ('{"values": {"north": 1}, "note": 2}', 'line 1: \'note\' is none of "time", "value" and "values"'),
        ('{"values": {"north": "1"}}', "line 1: 'north': '1' is no number"),
        ('{"values": {"north": true}}', "line 1: 'north': True is no number"),
        ('{"values": {"north": 1, "north": 2}}', "line 1: 'north' is given twice"),
        ('{"value": 3}', 'line 1: "value" is for one series; this stream follows 2'),
        ('{"time": "now", "values": [1, 2]}', "line 1: the time 'now' is no stamp"),
        ('{"values": [1, 2]}\n[1, 2]', "line 2: '[1, 2]' is no object"),
        ('{"values": [1, 2]', "line 1: this is no JSON"),
        ('{"values": 1}' + "\n" + "{" * 5000, "line 1: update needs 2 values"),
        ('{"values": [1, 2]}\n' + '{"a":' * 100_000, "line 2: this is no JSON"),
    ],
)
def test_lines_that_are_refused(folder, text, message):
    _, errors = feed(text, folder, code=2)
    assert errors.startswith(f"tsssm: error: {message}")
    assert errors.count("\n") == 1


def test_bytes_that_are_no_text(folder):
    _, errors = feed(b"1,2\n\xff\xfe\n", folder, code=2)
    assert "line 2: this is no text in UTF-8" in errors


def test_the_three_forms_say_the_same(folder, live):
    first = live.iloc[:8].copy()
    first.iloc[2, 0] = np.nan
    as_csv = first.to_csv()
    as_values = first.to_csv(header=False, index=False)
    as_json = "\n".join(
        json.dumps({"time": str(stamp), "values": {k: None if np.isnan(v) else v for k, v in row.items()}})
        for stamp, row in first.iterrows()
    )
    by_csv, by_values, by_json = (feed(text, folder)[0] for text in (as_csv, as_values, as_json))
    assert len(by_csv) == 8
    assert by_values == by_json
    for a, b in zip(by_csv, by_values):
        assert a["line"] == b["line"] + 1
        assert (a["forecast"], a["times"]) == (b["forecast"], b["times"])
    mixed = "\ufeff" + as_csv.replace("when,", "time,").replace("\n", "\r\n").replace("\r\n", "\r\n\r\n")
    assert [said["forecast"] for said in feed(mixed, folder)[0]] == [said["forecast"] for said in by_csv]


def test_no_input_says_nothing_and_keeps_the_stream_as_it_begins(model, folder, tmp_path):
    assert feed("", folder, "--state", tmp_path / "kept") == ([], "")
    kept = tsssm.load(tmp_path / "kept")
    assert kept.last_time == model.training_end_
    np.testing.assert_allclose(kept.predict(), model.predict(), rtol=1e-4)


def test_every_and_refresh_and_levels(model, folder, live):
    text = live.to_csv(header=False, index=False)
    said, _ = feed(text, folder, "--every", 7, "--refresh", "patch", "--quantiles", "0.1,0.5")
    assert [line["line"] for line in said] == [7, 14, 21, 28]
    stream = model.stream(refresh="patch")
    for i in range(7):
        stream.update(live.iloc[i])
    check_forecast(said[0], stream)
    quantiles = stream.predict_quantiles(levels=[0.1, 0.5])
    for name in SHOPS:
        np.testing.assert_allclose(said[0]["forecast"][name]["q0.1"], quantiles[name, 0.1], rtol=1e-9)
    said, _ = feed(text, folder, "--every", 30, "--coverage", 0.8)
    stream = model.stream()
    for i in range(30):
        stream.update(live.iloc[i])
    np.testing.assert_allclose(
        said[0]["forecast"]["south"]["upper"], stream.predict_interval(coverage=0.8)["south", "upper"], rtol=1e-9
    )


def test_a_cold_stream_waits_for_its_stamp_and_its_series(folder):
    _, errors = feed("1,2", folder, "--cold", code=2)
    assert "line 1: The stream has no stamp yet" in errors
    said, _ = feed("when,north,south\n2030-01-01 00:00,1,\n2030-01-01 01:00,,2\n", folder, "--cold")
    assert (said[0]["time"], said[0]["times"], said[0]["forecast"]) == ("2030-01-01T00:00:00", None, None)
    assert said[1]["times"][0] == "2030-01-01T02:00:00"
    assert np.isfinite(said[1]["forecast"]["south"]["median"]).all()


def test_data_start_the_stream_elsewhere(model, folder, live, tmp_path):
    newer = pd.concat([sales().iloc[100:300], live.iloc[:10]])
    newer.to_csv(tmp_path / "newer.csv")
    said, _ = feed(csv_text(live.iloc[10:11]), folder, "--data", tmp_path / "newer.csv")
    stream = model.stream(newer)
    stream.update(live.iloc[10])
    check_forecast(said[0], stream)
    _, errors = feed("", folder, "--data", tmp_path / "newer.csv", "--cold", code=2)
    assert "either --cold or --data" in errors


def csv_text(frame):
    return frame.to_csv(header=False, index=False)


def test_a_state_of_another_model_or_mode_is_refused(model, folder, tmp_path):
    feed("", folder, "--state", tmp_path / "kept", "--refresh", "patch")
    _, errors = feed("", folder, "--state", tmp_path / "kept", "--refresh", "step", code=2)
    assert "runs with 'patch'" in errors
    tsssm.LinearForecaster(4, verbose=False).fit(sales()).save(tmp_path / "linear")
    _, errors = feed("", tmp_path / "linear", "--state", tmp_path / "kept", code=2)
    assert "holds a stream of another model" in errors
    _, errors = feed("", folder, "--state", tmp_path / "linear", code=2)
    assert "holds a forecaster, not a stream" in errors
    _, errors = feed("", tmp_path / "kept", code=2)
    assert "holds a Stream, not a forecaster" in errors
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.txt").write_text("years of work")
    _, errors = feed("1,2", folder, "--state", tmp_path / "papers", code=2)
    assert "holds something else" in errors


def test_levels_are_refused_before_the_first_line(folder, tmp_path):
    for option, value in (("--quantiles", "0.001"), ("--coverage", "7"), ("--every", "0")):
        _, errors = feed("1,2", folder, "--state", tmp_path / "kept", option, value, code=2)
        assert errors.startswith("tsssm: error: ")
    assert not (tmp_path / "kept").exists()


def test_covariates_come_from_a_file(tmp_path):
    frame = sales().rename_axis("when")
    price = pd.DataFrame({"price": np.cos(np.arange(400.0))}, pd.date_range("2024-03-01", periods=400, freq="h"))
    settings = {"patch_length": 6, "d_model": 8, "n_layers": 1, "max_steps": 2, "verbose": False}
    fitted = randomise(tsssm.MambaForecaster(4, **settings).fit(frame.iloc[:300], price.iloc[:304]))
    fitted.save(tmp_path / "model")
    price.to_csv(tmp_path / "price.csv", index_label="when")
    text = frame.iloc[300:303].to_csv()
    said, _ = feed(text, tmp_path / "model", "--x-future", tmp_path / "price.csv")
    stream = fitted.stream()
    for i in range(3):
        row = price.iloc[300 + i : 301 + i]
        stream.update(frame.iloc[300 + i], X=row)
        values = said[i]["forecast"]["north"]["median"]
        np.testing.assert_allclose(values, stream.predict(price)["north"], rtol=1e-9)
    _, errors = feed(text, tmp_path / "model", code=2)
    assert "the model was fitted with price: give --x-future" in errors
    _, errors = feed("1,2", tmp_path / "model", "--x-future", tmp_path / "price.csv", code=2)
    assert "line 1: a model with covariates needs the time of each row" in errors
    price.iloc[:302].to_csv(tmp_path / "short.csv", index_label="when")
    _, errors = feed(text, tmp_path / "model", "--x-future", tmp_path / "short.csv", code=2)
    assert errors.startswith("tsssm: error: line 2: X lacks")


def test_a_single_series_and_whole_numbers_as_time(tmp_path):
    y = pd.Series(np.sin(np.arange(200.0)), pd.RangeIndex(0, 400, 2, name="tick"), name="load")
    fitted = tsssm.LinearForecaster(2, verbose=False).fit(y)
    fitted.save(tmp_path / "model")
    by_value, _ = feed("0.5\n0.25\n", tmp_path / "model")
    by_csv, _ = feed("tick,value\n400,0.5\n402,0.25\n", tmp_path / "model")
    by_json, _ = feed('{"value": 0.5}\n{"time": 402, "value": 0.25}\n', tmp_path / "model")
    assert by_value == by_json
    assert [said["forecast"] for said in by_csv] == [said["forecast"] for said in by_value]
    assert (by_value[1]["time"], by_value[1]["times"]) == (402, [404, 406])
    stream = fitted.stream()
    stream.update([0.5])
    np.testing.assert_allclose(by_value[0]["forecast"]["load"]["median"], stream.predict(), rtol=1e-12)


def test_arrays_have_no_stamps_and_still_count(tmp_path):
    tsssm.LinearForecaster(2, verbose=False).fit(np.sin(np.arange(100.0))).save(tmp_path / "model")
    said, _ = feed("0.5", tmp_path / "model")
    assert (said[0]["time"], said[0]["times"], list(said[0]["forecast"])) == (100, [101, 102], ["0"])


def test_a_model_of_grids_is_refused(tmp_path):
    import xarray as xr

    hours = pd.date_range("2024-01-01", periods=60, freq="h")
    field = xr.DataArray(
        np.random.default_rng(0).normal(size=(60, 2)), {"time": hours, "lat": [1.0, 2.0]}, ("time", "lat")
    )
    tsssm.LinearForecaster(2, verbose=False).fit(field).save(tmp_path / "model")
    assert "forecasts grids, which have no lines" in feed("1,2", tmp_path / "model", code=2)[1]


def test_help_and_no_model(tmp_path):
    assert "tail -f" in run("stream", "--help")
    assert "there is no folder" in feed("1", tmp_path / "nowhere", code=2)[1]


def test_names_that_read_the_same_are_refused():
    with pytest.raises(DataError, match="two series read '7' as text"):
        series_labels((7, "7"))


def test_stamps_of_other_zones_name_the_same_instant():
    like = pd.DatetimeIndex([], tz="Europe/Berlin")
    assert read_time("2024-07-01T10:00+00:00", like) == pd.Timestamp("2024-07-01 12:00", tz="Europe/Berlin")
    assert read_time("2024-03", pd.PeriodIndex([], freq="M")) == pd.Period("2024-03", "M")
    with pytest.raises(DataError, match="no whole number"):
        read_time("17.5", pd.RangeIndex(0))


def test_a_quoted_name_with_a_comma_is_one_field():
    read = choose_reader('time,"load, kW"', {"load, kW": "load, kW"}, pd.RangeIndex(0), None)
    assert read('time,"load, kW"') is None
    assert read("3,2.5").value == {"load, kW": 2.5}
    with pytest.raises(DataError, match="no row of CSV"):
        read('3,"2.5')
