"""`cold-start`: pictures of plans."""
