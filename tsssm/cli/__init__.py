"""The command line: `tsssm demo`, `fit`, `predict`, `backtest`, `datasets`."""

from tsssm.cli.app import main

__all__ = ["main"]
