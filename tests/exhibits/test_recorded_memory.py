"""The exhibits of files and of memory behave as recorded.

`python -m tests.exhibits.recording --help` tells how to look closer, and how to record anew.
"""

import pytest

from tests.thinned import one_of_each, some

from .cases import cases
from .recording import compare

MEMORY = cases("memory")
#: Every exhibit once, and each third of the calls with other arguments.
CHOSEN = {*one_of_each(MEMORY, lambda name: name.partition("(")[0]), *some(MEMORY, 3)}


@pytest.mark.parametrize("name", [*cases("files"), *(name for name in MEMORY if name in CHOSEN)])
def test_it_behaves_as_recorded(name):
    assert (found := compare(name, here=False)) == [], "\n".join(found[:40])
