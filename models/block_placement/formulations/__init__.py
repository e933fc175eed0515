"""The formulations of `block-placement`, one per module."""
