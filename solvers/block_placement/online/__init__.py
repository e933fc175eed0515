"""`block-placement` online: sessions arrive, and each is given a path at once."""
