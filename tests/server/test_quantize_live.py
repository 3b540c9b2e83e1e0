"""Files that `quantize_model` writes, beside those of the real Ollama: the same bytes, and it runs the types
it cannot write itself.
"""

import hashlib
from dataclasses import replace

import gguf
import pytest

import quantlab as ql
from quantlab.lab.custom import create_custom_model
from quantlab.lab.server import Server
from tests.models.written import SMALL, write
from tests.ollama_fixture import FILES
from tests.thinned import some

pytestmark = pytest.mark.server
#: Rows are multiples of 256 and there are layers enough for both halves of a mix: Q4_K, Q5_K and Q6_K are all
#: there.
WIDE = replace(SMALL["llama"], n_layer=9, n_embd=256, n_head=4, n_head_kv=2, head_dim=64, n_ff=512,
               n_vocab=300, rope_dim=64)


def tensors(path) -> dict[str, tuple[str, bytes]]:
    """Name -> (type, bytes), as `gguf` reads the file."""
    return {tensor.name: (tensor.tensor_type.name, tensor.data.tobytes())
            for tensor in gguf.GGUFReader(path).tensors}


#: SHA-256 of names, types and bytes of the tensors that `create --quantize` of Ollama 0.17.4 made.
BY_OLLAMA = {"smollm2 q4_K_M": "b430076617fe83b40386e724ded15a6cdfe552913cf104e7323192cb4042f45c",
             "q4_K_M": "148b80519628ebb0d765f83cb61bad21ce62a2405a0da623c8e3c919dbf772f8",
             "q4_K_S": "792a95e9a8175917146dc2bf2735a28271c6a2ae6c0e63eac0a095051b66b321",
             "q8_0": "601d582161533a2f1d62d100d050301428f0249678639251b12bb2abab1bcc2c"}


def digest(found: dict[str, tuple[str, bytes]]) -> str:
    whole = hashlib.sha256()
    for name, (qtype, data) in sorted(found.items()):
        whole.update(f"{name} {qtype} ".encode())
        whole.update(data)
    return whole.hexdigest()


def test_smollm2_is_byte_for_byte_what_ollama_wrote(smollm, tmp_path):
    """The tag people pulled, on rows of 576 (each fallback is in it); the small Llama has the others."""
    ours = tensors(ql.quantize_model(FILES["F16"], tmp_path / "ours.gguf", "q4_K_M", by="ollama"))
    assert len(ours) == 272 and digest(ours) == BY_OLLAMA["smollm2 q4_K_M"]


@pytest.mark.parametrize(("ftype", "types"),
                         [("q4_K_M", {"F32", "Q4_K", "Q6_K"}), ("q4_K_S", {"F32", "Q4_K", "Q5_K", "Q6_K"}),
                          ("q8_0", {"F32", "Q8_0"})])
def test_a_random_llama_of_whole_super_blocks_is_byte_for_byte_what_ollama_wrote(tmp_path, ftype, types):
    write(tmp_path / "wide.gguf", WIDE, "F16")
    ours = tensors(ql.quantize_model(tmp_path / "wide.gguf", tmp_path / "ours.gguf", ftype, by="ollama"))
    assert digest(ours) == BY_OLLAMA[ftype] and {qtype for qtype, _ in ours.values()} == types


@pytest.mark.statement("create_quantize")
def test_the_server_quantizes_no_gguf_file_any_more(live):
    modelfile = live.home / "Modelfile"
    modelfile.write_text(f"FROM {FILES['F16']}\n")
    with pytest.raises(AssertionError, match="quantize GGUF models before importing"):
        live.cli("create", "theirs", "--quantize", "q4_K_M", "-f", str(modelfile))


@pytest.mark.parametrize(("ftype", "shown"), some([("IQ4_XS", "IQ4_XS"), ("Q3_K_M", "Q3_K_M")], 2, 1))
def test_ollama_runs_our_files_and_names_the_types_it_knows(live, tmp_path, ftype, shown):
    path = ql.quantize_model(FILES["F16"], tmp_path / "ours.gguf", ftype)
    model = create_custom_model("ours", f"FROM {path}\nPARAMETER num_thread 1")
    assert Server().show("ours")["details"]["quantization_level"] == shown
    line = next(line for line in live.cli("show", "ours").splitlines()
                if line.split()[:1] == ["quantization"])
    assert line.split()[1] == shown
    answer = model.ask("What is the capital of France?",
                       options={"num_predict": 24, "temperature": 0, "num_thread": 1})
    assert "Paris" in answer
    live.cli("rm", "ours")
