"""Measures how fast this machine runs a block of a model, and writes that down as a device."""
