"""The online side: one event core for every problem whose requests arrive over time."""
