"""Exact backends (CBC, HiGHS, CP-SAT, SCIP), each run in a process of its own."""
