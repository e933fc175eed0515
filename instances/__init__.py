"""Files, presets and the catalogue: where instances come from."""
