"""The program as a whole: help, version, errors in one line, exit codes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import textwrap

import pytest
import typer
from typer.testing import CliRunner

import tsssm
from tsssm.cli.app import app
from tsssm.cli.one_line_errors import OneLineErrors, one_line
from tsssm.errors import ConfigError

COMMANDS = ("demo", "fit", "predict", "stream", "backtest", "datasets")
HEAVY = {"torch", "lightning", "pandas", "numpy", "sklearn", "matplotlib", "xarray", "numba"}


def run_python(code: str, *arguments: str, **options) -> subprocess.CompletedProcess:
    """A fresh interpreter that finds the packages where this one found them."""
    found = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n"
    command = [sys.executable, "-c", found + textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_and_version_import_nothing_heavy(arguments):
    code = """
        import sys
        from tsssm.cli import main
        try:
            main()
        except SystemExit as end:
            assert not end.code, end.code
        print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules}))
    """
    done = run_python(code, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    loaded = set(done.stdout.rpartition("loaded:")[2].split())
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_version_is_the_librarys():
    assert CliRunner().invoke(app, ["--version"]).stdout == f"tsssm {tsssm.__version__}\n"


def test_without_a_command_the_help_is_shown():
    bare, asked = (CliRunner().invoke(app, arguments, prog_name="tsssm") for arguments in ([], ["--help"]))
    assert bare.exit_code == asked.exit_code == 0
    assert bare.stdout.strip() == asked.stdout.strip()
    assert all(re.search(rf"^  {name} ", bare.stdout, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_help_shows_an_example_of_its_command_on_a_line_of_its_own(name):
    text = CliRunner().invoke(app, [name, "--help"]).stdout
    assert re.search(rf"^    tsssm {name}\b", text, re.MULTILINE)


def program_that_raises(error: BaseException) -> typer.Typer:
    program = typer.Typer(cls=OneLineErrors, pretty_exceptions_enable=False)

    @program.callback()
    def group() -> None:
        """Make a group of it."""

    @program.command()
    def act() -> None:
        raise error

    return program


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConfigError("invalid settings:\n- a is 1\n- b is 2"), "tsssm: error: invalid settings: a is 1; b is 2\n"),
        (
            FileNotFoundError(2, "No such file or directory", "load.csv"),
            "tsssm: error: [Errno 2] No such file or directory: 'load.csv'\n",
        ),
    ],
)
def test_errors_of_the_users_are_one_line_and_exit_code_2(error, line):
    result = CliRunner().invoke(program_that_raises(error), ["act"])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", line)


def test_errors_of_the_data_sets_count_as_well():
    result = CliRunner().invoke(app, ["datasets", "electricty"])
    assert result.exit_code == 2
    assert result.stderr.startswith("tsssm: error: no data set is called 'electricty'. Did you mean electricity?")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["--nonsense"], ["fit"], ["fit", "a.csv", "--horizon", "x", "--out", "m"], ["predict"]]
)
def test_wrong_arguments_are_one_line_and_exit_code_2(arguments):
    result = CliRunner().invoke(app, arguments, prog_name="tsssm")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert re.fullmatch(r"tsssm: error: [^\n]+ Try 'tsssm[ a-z]* --help'\.\n", result.stderr)


@pytest.mark.parametrize("error", [RuntimeError("a fault"), ValueError("not of the family"), KeyError("k")])
def test_unexpected_errors_pass_through(error):
    result = CliRunner().invoke(program_that_raises(error), ["act"])
    assert result.exit_code == 1
    assert result.exception is error


def test_an_unexpected_error_shows_its_traceback_and_exits_1():
    done = run_python("import tsssm.cli.app as a; a.app.info.cls.invoke = lambda *_: 1 / 0; a.main()", "datasets")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_ctrl_c_exits_130_with_one_line():
    result = CliRunner().invoke(program_that_raises(KeyboardInterrupt()), ["act"])
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "tsssm: interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_while_training_exits_130_with_one_line(tmp_path):
    rows = "\n".join(f"{i},{i % 24}" for i in range(400))
    (tmp_path / "load.csv").write_text(f"step,load\n{rows}\n")
    code = """
        import os, signal, sys
        from tsssm.cli import main
        from tsssm.training import callbacks
        def ctrl_c(self, trainer, module):
            os.kill(os.getpid(), signal.SIGINT)
        callbacks.History.on_train_start = ctrl_c
        main()
    """
    arguments = ["fit", "load.csv", "--time", "step", "--horizon", "4", "--max-steps", "500", "--out", "model"]
    done = run_python(
        code, *arguments, cwd=tmp_path, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "tsssm: interrupted\n")
    assert not (tmp_path / "model").exists()


def test_python_m_runs_the_program():
    code = "import runpy; sys.argv[0] = 'x'; runpy.run_module('tsssm', run_name='__main__')"
    done = run_python(code, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"tsssm {tsssm.__version__}\n", "")


@pytest.mark.parametrize(
    ("message", "joined"),
    [("a", "a"), ("a.\n  b", "a. b"), ("a\nb", "a; b"), ("a:\n- b\n\n- c", "a: b; c"), ("", "")],
)
def test_one_line_joins(message, joined):
    assert one_line(message) == joined
