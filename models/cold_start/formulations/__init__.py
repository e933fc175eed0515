"""The formulations of `cold-start`, one per module."""
