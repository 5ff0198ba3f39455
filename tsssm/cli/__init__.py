"""The command line, `tsssm`."""

from tsssm.cli.app import main

__all__ = ["main"]
