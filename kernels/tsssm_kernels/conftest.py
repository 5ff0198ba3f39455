"""Without Triton its kernels, which hold no examples, are left out when the examples of the package are run."""

from tsssm_kernels.gpu_launch import HAS_TRITON

collect_ignore_glob = [] if HAS_TRITON else ["gpu_math.py", "*/gpu_*.py"]
