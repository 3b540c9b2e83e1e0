"""The exhibits of files and of memory behave as recorded.

`python -m tests.exhibits.recording --help` tells how to look closer, and how to record anew.
"""

import pytest

from .cases import cases
from .recording import compare


@pytest.mark.parametrize("name", cases("files", "memory"))
def test_it_behaves_as_recorded(name):
    assert (found := compare(name, here=False)) == [], "\n".join(found[:40])
