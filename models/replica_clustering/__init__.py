"""`replica-clustering`: which devices form a replica, in which role, and who has which blocks."""
