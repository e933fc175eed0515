"""`partition-schedule`: cuts over tiers, and the schedule of requests on their nodes."""
