"""Patterns of stacks, and where a wrong one is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsssm.errors import ConfigError
from tsssm.mixers.pattern import read_pattern


@pytest.mark.parametrize(
    ("pattern", "stack"),
    [
        ("mamba", ["mamba"]),
        ("mamba2*3+attention", ["mamba2"] * 3 + ["attention"]),
        ("(rwkv7*2+attention)*2", ["rwkv7", "rwkv7", "attention"] * 2),
        (" ( a+b * 2 )*2 + (c)", ["a", "b", "b", "a", "b", "b", "c"]),
        ("((a))*1", ["a"]),
        ("((a+b)*2+c)*2", ["a", "b", "a", "b", "c"] * 2),
    ],
)
def test_patterns(pattern, stack):
    assert read_pattern(pattern) == tuple(stack)


names = st.sampled_from(["mamba", "attention", "rwkv7", "_own2"])
stacks = st.recursive(
    names.map(lambda name: (name, (name,))),
    lambda inner: st.one_of(
        st.tuples(inner, st.integers(1, 3)).map(lambda x: (f"({x[0][0]})*{x[1]}", x[0][1] * x[1])),
        st.tuples(inner, inner).map(lambda x: (f"{x[0][0]} + {x[1][0]}", x[0][1] + x[1][1])),
    ),
    max_leaves=5,
)


@given(stacks)
def test_any_pattern_gives_the_stack_that_it_was_written_for(written):
    pattern, stack = written
    assert read_pattern(pattern) == stack


@pytest.mark.parametrize(
    ("pattern", "expected", "character"),
    [
        ("", "the name of a mixer", 1),
        ("mamba++mlp", "the name of a mixer", 7),
        ("mamba*", "a number of at least 1", 7),
        ("mamba*0", "a number of at least 1", 7),
        ("mamba*x", "a number of at least 1", 7),
        ("(mamba+mlp", '")"', 11),
        ("mamba)", '"+" or the end', 6),
        ("mamba mlp", '"+", "*" or the end', 7),
        ("mamba\n+\tmlp+\r\n+mlp", "the name of a mixer", 15),
        ("mamba*2*3", '"+", "*" or the end', 8),
        ("mamba, mlp", "a name, a number", 6),
        ("3*mamba", "the name of a mixer", 1),
        ("mamba*100000", "at most 1000 layers", 7),
        ("(mamba*40)*40", "at most 1000 layers", 12),
        ("mamba*" + "9" * 5000, "at most 1000 layers", 7),
        ("(" * 10_000 + "mamba" + ")" * 10_000, "at most 100 brackets inside one another", 101),
    ],
)
def test_a_wrong_pattern_is_refused_at_its_character(pattern, expected, character):
    with pytest.raises(ConfigError) as caught:
        read_pattern(pattern)
    assert f"expected {expected}" in str(caught.value)
    assert f" at character {character}:" in str(caught.value)
    _, line, caret = str(caught.value).splitlines()  # of a pattern of several lines too
    assert len(line) == 4 + len(pattern)
    assert caret.index("^") == 4 + character - 1
