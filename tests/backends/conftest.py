"""Makes `toy_models`, `backend_helpers` and `fakes` importable, here and (by the inherited path) in workers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
