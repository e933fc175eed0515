"""`partition-schedule` online: a request is given a node on each tier as it reaches it."""
