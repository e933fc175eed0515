"""`block-placement`: pictures of placements."""
