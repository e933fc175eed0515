"""What all tests share: how hypothesis looks for counterexamples, and what Ctrl-C does."""

import os
import signal

from hypothesis import HealthCheck, settings

# Machines differ in speed, so that a deadline per example would fail by chance. In CI the
# examples are always the same; at a desk every run looks for new ones.
settings.register_profile(
    "shardopt",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("shardopt")

# Without a terminal, and so in CI, tables would be 80 columns wide and break lines in other places.
os.environ["COLUMNS"] = "120"

# A shell starts what runs in the background with Ctrl-C ignored; the tests need it.
signal.signal(signal.SIGINT, signal.default_int_handler)
