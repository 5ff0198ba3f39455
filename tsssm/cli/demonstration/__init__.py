"""The parts of `tsssm demo`."""
