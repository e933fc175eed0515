"""`cold-start`: file schema and presets."""
