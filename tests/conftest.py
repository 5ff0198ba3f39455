"""Settings of every test run."""

import os

# Tests run in two processes on two cores; more torch threads than cores would only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")
# Triton reads it when it is imported, as Lightning does: kernels for GPUs run in the interpreter, on CPU tensors.
os.environ.setdefault("TRITON_INTERPRET", "1")
