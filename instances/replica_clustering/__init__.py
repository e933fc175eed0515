"""`replica-clustering`: file schema and presets."""
