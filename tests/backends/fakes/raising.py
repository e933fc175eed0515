"""Fails with a Python error of several lines."""


def solve(formulation, start, run):
    raise ValueError("first line\n  second line")
