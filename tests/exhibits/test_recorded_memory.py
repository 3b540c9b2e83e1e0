"""The exhibits of files and of memory behave as recorded.

`python -m tests.exhibits.recording --help` tells how to look closer, and how to record anew.
"""

import pytest

from .recording import compare
from .sampled import chosen, repeated


@pytest.mark.parametrize("name", chosen("files", "memory"))
def test_it_behaves_as_recorded(name):
    found = compare(name, here=False, most=repeated()[name])
    assert found == [], "\n".join(found[:40])
