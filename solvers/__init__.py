"""How an answer is found: exact methods, bounds, heuristics and baselines."""
