"""Models and a text for the tests of this room: the bundled one with its held-out text, and SmolLM2 as the
16-bit file that the server tests use, as what that was made from, and as float32.
"""

import pytest

from quantlab.inference.chunks import held_out_text
from quantlab.inference.load import load_lm
from tests.inference.files import in_float32
from tests.ollama_fixture import FILES, without


@pytest.fixture(scope="module")
def tiny():
    return load_lm("tiny")


@pytest.fixture(scope="module")
def text():
    return held_out_text()


@pytest.fixture(scope="session")
def smollm_f16():
    if not FILES["F16"].is_file():
        without(f"no test model {FILES['F16'].name}: `python tools/test_models.py` fetches it")
    return FILES["F16"]


@pytest.fixture(scope="session")
def smollm_q4_1(smollm_f16):
    """The file that the 16-bit one was made from; both come together."""
    return smollm_f16.with_name("SmolLM2-135M-Instruct.Q4_1.gguf")


@pytest.fixture(scope="session")
def smollm_f32(smollm_f16, tmp_path_factory):
    file = in_float32(smollm_f16, tmp_path_factory.mktemp("smollm") / "SmolLM2-135M-Instruct.F32.gguf")
    yield file
    file.unlink()           # half a gigabyte that pytest would keep
