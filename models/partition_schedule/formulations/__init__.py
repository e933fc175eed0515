"""The formulations of `partition-schedule`, one per module."""
