"""`python -m tsssm.cli` is `tsssm`."""

from tsssm.cli.app import main

main()
