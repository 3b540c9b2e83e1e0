"""The exhibits of single weights and of blocks behave as recorded.

`python -m tests.exhibits.recording --help` tells how to look closer, and how to record anew.
"""

import pytest

from .cases import cases
from .recording import compare


@pytest.mark.parametrize("name", cases("weights", "blocks"))
def test_it_behaves_as_recorded(name):
    assert (found := compare(name, here=False)) == [], "\n".join(found[:40])
