"""`block-placement`: file schema and presets."""
