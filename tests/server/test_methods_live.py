"""Files of every method of rounding in a real Ollama: ordinary ones, which go on as they do here."""

import pytest

import quantlab as ql
from quantlab.methods.table import METHODS
from tests.thinned import some

pytestmark = pytest.mark.server
PROMPT = "To be, or not to be,"
IN_FILES = [name for name, method in METHODS.items() if method.in_files]


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    tokens = ql.load_lm("tiny").tokenizer.encode(ql.held_out_text())
    return ql.calibrate("tiny", tokens, tmp_path_factory.mktemp("known") / "tiny", n_ctx=256, chunks=8,
                        progress=None)


@pytest.mark.parametrize(("ftype", "method"), [(ftype, method) for i, method in enumerate(IN_FILES)
                                               for ftype in some(["Q4_0", "Q3_K"], 2, i)])
def test_ollama_goes_on_as_the_package_does(ollama, known, tmp_path, ftype, method):
    import ollama as client

    file = ql.quantize_model("tiny", tmp_path / f"{method}.gguf", ftype, pure=True, calibration=known,
                             method=method, progress=None)
    name = f"rounded:{ftype.lower()}-{method}"
    ollama.create(name, file)
    try:
        answer = client.Client(ollama.url).generate(name, PROMPT, raw=True, options={
            "temperature": 0, "num_predict": 24, "num_ctx": 256, "repeat_penalty": 1.0})
    finally:
        ollama.cli("rm", name)
    ours = "".join(ql.load_lm(file).generate(PROMPT, 24))
    assert answer["eval_count"] == 24 and answer["response"][:30] == ours[:30]
