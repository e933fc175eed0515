"""Makes the helpers beside this file importable, here and (by the inherited path) in workers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
