"""`python -m tsssm` is `tsssm`."""

from tsssm.cli import main

if __name__ == "__main__":
    main()
