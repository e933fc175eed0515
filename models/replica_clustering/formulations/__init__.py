"""`replica-clustering`: exact formulations, independent of any backend."""
