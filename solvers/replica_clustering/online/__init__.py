"""`replica-clustering` online: a request is given a replica to prefill, then one to decode."""
