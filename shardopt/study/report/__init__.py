"""What a study says, as a page, as tables for a paper, or as data."""
