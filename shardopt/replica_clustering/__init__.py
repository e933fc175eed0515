"""`replica-clustering`: plans and instances as pictures and tables."""
