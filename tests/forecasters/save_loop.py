"""Children that save one model after the other into the same folder are killed; what is left is loaded each time.

    python save_loop.py ROUNDS TARGET MODEL MODEL

Prints the horizon of the model that each round left, and fails if one left neither.
"""

import os
import signal
import sys
import time

import numpy as np

import tsssm


def main(rounds, target, *folders):
    models = [tsssm.load(folder) for folder in folders]
    expected = {model.horizon: model.predict() for model in models}
    begin = time.perf_counter()
    for model in models:
        model.save(target)
    twice = time.perf_counter() - begin
    random = np.random.default_rng(2)
    for _ in range(int(rounds)):
        models.reverse()
        child = os.fork()
        if not child:
            while True:
                for model in models:
                    model.save(target)
        time.sleep(random.uniform(0.0, 1.5 * twice))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        left = tsssm.load(target)
        assert left.predict().equals(expected[left.horizon])
        print(left.horizon)


if __name__ == "__main__":
    main(*sys.argv[1:])
