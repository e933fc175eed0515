"""Gap studies: many solvers on many instances, kept in a store, and what is read out of it."""

from __future__ import annotations
