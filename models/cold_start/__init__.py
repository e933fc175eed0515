"""The problem `cold-start`: cut, order and device subset for the first token."""
