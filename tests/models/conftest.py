"""The sources of which files are made, each written once."""

import pytest

from tests.models.whole import ORDERS, SOURCES
from tests.models.written import write


@pytest.fixture(scope="session")
def source_of(tmp_path_factory):
    """(model, type of its matrices, order) -> the path of the file, written when it is first asked for."""
    folder, known = tmp_path_factory.mktemp("whole"), {}

    def source(name, qtype="F16", order="the converter's order"):
        if (name, qtype, order) not in known:
            known[name, qtype, order] = path = folder / f"{len(known)}.gguf"
            write(path, SOURCES[name], qtype, order=ORDERS[order])
        return known[name, qtype, order]
    return source
