"""Backends that misbehave, each in one way. A job names them by their module."""
