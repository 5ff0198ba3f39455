"""Errors of the user's become one line on standard error and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

__all__ = ["OneLineErrors", "one_line"]

_PACKAGES = ("tsssm", "tsssm_datasets", "tsssm_kernels")
# typer carries its own click since 0.20 or so and leant on another before: this is the base of errors in both.
_ClickError: type[Exception] = typer.BadParameter.__mro__[2]


class OneLineErrors(TyperGroup):
    """A group of commands whose errors of the user's are one line `tsssm: error: ...` and exit code 2.

    Errors of the user's are wrong arguments, the packages' own families of ValueErrors, and files that cannot be read
    or written. Ctrl-C ends with one line and 130. Any other exception passes through with its traceback.

    Examples
    --------
    >>> import typer
    >>> app = typer.Typer(cls=OneLineErrors)
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _stop("interrupted", 130)
        except Exception as error:
            if not _is_users(error):
                raise
            _stop(f"error: {one_line(str(error))}", 2)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Read the arguments, run, and exit unless `standalone_mode` is False."""
        code: Any = None
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except _ClickError as error:
            context = getattr(error, "ctx", None)
            hint = f" Try '{context.command_path} --help'." if context is not None else ""
            print(f"tsssm: error: {one_line(_message(error)).rstrip('.')}.{hint}", file=sys.stderr)
            code = 2
        if standalone_mode:
            sys.exit(code or 0)
        return code


def _message(error: Any) -> str:
    return error.format_message()


def _is_users(error: Exception) -> bool:
    if isinstance(error, BrokenPipeError):  # the reader of a pipe has gone: typer ends quietly
        return False
    own = isinstance(error, ValueError) and type(error).__module__.split(".")[0] in _PACKAGES
    return own or isinstance(error, OSError)


def _stop(message: str, code: int) -> NoReturn:
    print(f"tsssm: {message}", file=sys.stderr)
    raise typer.Exit(code)


def one_line(message: str) -> str:
    r"""Join the lines of a message; the bullets of a list are parted by semicolons.

    Examples
    --------
    >>> one_line("invalid settings:\n- horizon is 0\n- dropout is 2")
    'invalid settings: horizon is 0; dropout is 2'
    """
    joined = ""
    for line in filter(None, (line.strip() for line in message.splitlines())):
        gap = "" if not joined else " " if joined[-1] in ":.,;" else "; "
        joined += gap + line.removeprefix("- ")
    return joined
