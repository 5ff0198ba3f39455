"""Stacks of mixers, written as patterns: ``"mamba*3+attention"``."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import groupby

from tsssm.errors import ConfigError

__all__ = ["MOST_LAYERS", "NAME", "read_pattern", "write_pattern"]

MOST_LAYERS = 1000  # of a stack: a larger number is a slip of the finger, and would fill the memory

NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)

_MOST_BRACKETS = 100  # inside one another
_TOKEN = re.compile(rf"\s*(?:(?P<name>{NAME.pattern})|(?P<number>\d+)|(?P<sign>[()*+]))\s*", re.ASCII)


def read_pattern(pattern: str, known: Collection[str] | None = None) -> tuple[str, ...]:
    """Names of the mixers of a stack, from the first layer to the last.

    ::

        stack = part + part + ...
        part  = name, or (stack), or either of them * number

    Parameters
    ----------
    pattern : str
        Short names of mixers, ``+`` between layers, ``*`` and a number for repeats, round brackets.
    known : collection of str, optional
        Names that a mixer may have; any unless given.

    Raises
    ------
    ConfigError
        The pattern does not follow the rules, has a name that is not known, or more than 1000 layers; the message
        points at the character.

    Examples
    --------
    >>> read_pattern("mamba*2+attention")
    ('mamba', 'mamba', 'attention')
    >>> read_pattern("(mamba + attention) * 2")
    ('mamba', 'attention', 'mamba', 'attention')
    """
    reader = _Reader(pattern, known)
    stack = reader.stack()
    if reader.kind is not None:
        reader.refuse('"+" or the end' if reader.text == ")" else '"+", "*" or the end')
    return stack


def write_pattern(names: Sequence[str]) -> str:
    """The shortest stretch of a stack that repeats until its end, as a pattern.

    Examples
    --------
    >>> write_pattern(["mamba", "mamba", "attention"]), write_pattern(["mamba"] * 4)
    ('mamba*2+attention', 'mamba')
    """
    length = next(n for n in range(1, len(names) + 1) if list(names) == list(names[:n]) * (len(names) // n))
    counts = ((name, len(list(run))) for name, run in groupby(names[:length]))
    return "+".join(name if count == 1 else f"{name}*{count}" for name, count in counts)


class _Reader:
    """Reads a pattern token by token."""

    def __init__(self, pattern: str, known: Collection[str] | None):
        self.pattern, self.known, self.next, self.depth = pattern, known, 0, 0
        self.advance()

    def advance(self) -> None:
        """To the next token; its kind is None at the end."""
        self.at = self.next + len(self.pattern[self.next :]) - len(self.pattern[self.next :].lstrip())
        found = _TOKEN.match(self.pattern, self.next)
        if found is None and self.at < len(self.pattern):
            self.refuse('a name, a number, "+", "*" or a bracket')
        self.kind = found.lastgroup if found else None
        self.text = found[found.lastgroup] if found and found.lastgroup else ""
        self.next = found.end() if found else len(self.pattern)

    def stack(self) -> tuple[str, ...]:
        layers = self.part()
        while self.text == "+":
            self.advance()
            layers += self.part()
            self.check_length(layers)
        return layers

    def part(self) -> tuple[str, ...]:
        if self.kind == "name":
            if self.known is not None and self.text not in self.known:
                self.refuse(f"a mixer among {', '.join(sorted(self.known))}")
            layers: tuple[str, ...] = (self.text,)
            self.advance()
        elif self.text == "(":
            self.depth += 1
            if self.depth > _MOST_BRACKETS:
                self.refuse(f"at most {_MOST_BRACKETS} brackets inside one another")
            self.advance()
            layers = self.stack()
            self.depth -= 1
            if self.text != ")":
                self.refuse('")"')
            self.advance()
        else:
            self.refuse("the name of a mixer")
        if self.text == "*":
            self.advance()
            if self.kind != "number" or not self.text.strip("0"):
                self.refuse("a number of at least 1")
            count = int(self.text.lstrip("0")[:9])  # more digits are too many layers anyway
            self.check_length(layers * min(count, MOST_LAYERS + 1))
            layers *= count
            self.advance()
        return layers

    def check_length(self, layers: tuple[str, ...]) -> None:
        if len(layers) > MOST_LAYERS:
            self.refuse(f"at most {MOST_LAYERS} layers")

    def refuse(self, expected: str) -> None:
        line = "".join(character if character.isprintable() else " " for character in self.pattern)  # breaks, tabs
        raise ConfigError(
            f"the mixer pattern {self.pattern!r} is no stack: expected {expected} at character {self.at + 1}:\n"
            f"    {line}\n    {' ' * self.at}^"
        )
