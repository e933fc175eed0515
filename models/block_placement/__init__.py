"""The problem `block-placement`: where blocks live and how sessions are routed."""
