"""`python -m tsssm.cli` is `tsssm`."""

from tsssm.cli.app import main

if __name__ == "__main__":
    main()
