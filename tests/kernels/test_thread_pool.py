"""Shares of work: each is done once, by the caller and a pool, from any thread and after a fork."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tsssm_kernels.thread_pool import count_shares, run_ranges, run_shares


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("n_shares", [1, 2, 5])
def test_every_share_is_done_once_and_the_first_by_the_caller(n_shares):
    done = []
    run_shares(lambda share: done.append((share, threading.get_ident())), n_shares)
    assert sorted(share for share, _ in done) == list(range(n_shares))
    assert dict(done)[0] == threading.get_ident()
    assert sum(thread == threading.get_ident() for _, thread in done) == 1


@pytest.mark.usefixtures("two_threads")
def test_number_of_shares_depends_on_sizes_and_threads_alone():
    assert count_shares(1e3, at_most=8) == 1
    assert count_shares(1e9, at_most=8) == 2
    assert count_shares(1e9, at_most=1) == 1


@pytest.mark.parametrize("bad", [0, 2])
def test_a_fault_reaches_the_caller_after_all_shares_are_done(bad):
    done = []

    def work(share):
        if share == bad:
            raise ZeroDivisionError(share)
        time.sleep(0.05)
        done.append(share)

    with pytest.raises(ZeroDivisionError):
        run_shares(work, 3)
    assert sorted(done) == [share for share in range(3) if share != bad]


def test_many_callers_at_once():
    def call(start):
        squares = [0] * 4

        def work(share):
            squares[share] = (start + share) ** 2

        run_shares(work, 4)
        return squares

    with ThreadPoolExecutor(8) as callers:
        results = list(callers.map(call, range(200)))
    assert results == [[(start + share) ** 2 for share in range(4)] for start in range(200)]


FORK = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking a process with threads: what is tested here
from tsssm_kernels.thread_pool import run_shares

def squares():
    found = [None] * 3
    def work(share):
        found[share] = share ** 2
    run_shares(work, 3)
    return found

assert squares() == [0, 1, 4]
child = os.fork()
if child == 0:
    os._exit(0 if squares() == [0, 1, 4] else 1)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0
assert squares() == [0, 1, 4]
print("both")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_threads_of_its_own():
    command = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n{FORK}"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "both\n"), done.stderr


def test_ranges_are_all_items_each_with_memory_of_its_own():
    found = {}

    def work(share, scratch, first, last):
        found[share] = (scratch, first, last)

    run_ranges(work, items=7, n_shares=3, room=16)
    assert [bounds for _, *bounds in (found[share] for share in range(3))] == [[0, 2], [2, 4], [4, 7]]
    first = found[0][0]
    assert [scratch - first for scratch, _, _ in (found[share] for share in range(3))] == [0, 64, 128]
