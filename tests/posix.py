"""What Windows does not have: signals that kill, limits, links without a right. Everywhere else it is tested.
"""

import os

import pytest

posix_only = pytest.mark.skipif(os.name == "nt", reason="signals, limits and links of POSIX; not on Windows")
