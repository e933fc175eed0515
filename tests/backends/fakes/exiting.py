"""Ends its process without a word."""

import os


def solve(formulation, start, run):
    os._exit(7)
