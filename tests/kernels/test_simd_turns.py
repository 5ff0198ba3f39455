"""Cosines and sines of turns, in vectors."""

import numba
import numpy as np

from tsssm_kernels.simd import load, splat, store
from tsssm_kernels.simd_turns import cosine_and_sine


@numba.njit
def run(times, rests, turns, turns_rest, cosines, sines):
    for i in range(0, len(times), 16):
        factor, factor_rest = splat(numba.float32(turns)), splat(numba.float32(turns_rest))
        cosine, sine = cosine_and_sine(load(times, i), load(rests, i), factor, factor_rest)
        store(cosines, i, cosine)
        store(sines, i, sine)


def test_cosines_and_sines_of_many_turns():
    for turns in (0.0, 0.25, -1.3, 1e-6):
        for longest in (1.0, 1e3, 1e6):
            times = np.linspace(-longest, longest, 4096)
            leading = times.astype(np.float32)
            rests = (times - leading).astype(np.float32)
            cosines, sines = np.empty_like(leading), np.empty_like(leading)
            first = np.float32(turns)
            run(leading, rests, first, np.float32(turns - float(first)), cosines, sines)
            angles = 2 * np.pi * np.remainder(times * turns, 1)
            np.testing.assert_allclose(cosines, np.cos(angles), rtol=0, atol=1e-6)
            np.testing.assert_allclose(sines, np.sin(angles), rtol=0, atol=1e-6)
