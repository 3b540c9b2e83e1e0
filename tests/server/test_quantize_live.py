"""Files that `quantize_model` writes, beside those of the real Ollama: the same bytes, and it runs the types
it cannot write itself.
"""

from dataclasses import replace

import gguf
import pytest

import quantlab as ql
from quantlab.lab.custom import create_custom_model
from quantlab.lab.server import Server
from quantlab.models.store import find_model
from tests.models.written import SMALL, write
from tests.ollama_fixture import FILES

pytestmark = pytest.mark.server
#: Rows are multiples of 256 and there are layers enough for both halves of a mix: Q4_K, Q5_K and Q6_K are all
#: there.
WIDE = replace(SMALL["llama"], n_layer=9, n_embd=256, n_head=4, n_head_kv=2, head_dim=64, n_ff=512,
               n_vocab=300, rope_dim=64)


def tensors(path) -> dict[str, tuple[str, bytes]]:
    """Name -> (type, bytes), as `gguf` reads the file."""
    return {tensor.name: (tensor.tensor_type.name, tensor.data.tobytes())
            for tensor in gguf.GGUFReader(path).tensors}


def made_by_ollama(live, source, ftype: str) -> dict[str, tuple[str, bytes]]:
    """The tensors that `ollama create --quantize` makes of a file."""
    modelfile = live.home / "Modelfile"
    modelfile.write_text(f"FROM {source}\n")
    live.cli("create", "theirs", "--quantize", ftype, "-f", str(modelfile))
    found = tensors(find_model("theirs", [live.store]).blob)
    live.cli("rm", "theirs")
    return found


def test_smollm2_is_byte_for_byte_what_ollama_writes(live, tmp_path):
    """The tag people pull, on rows of 576 (each fallback is in it); the small Llama below has the others."""
    ftype = "q4_K_M"
    ours = tensors(ql.quantize_model(FILES["F16"], tmp_path / "ours.gguf", ftype, by="ollama"))
    theirs = made_by_ollama(live, FILES["F16"], ftype)
    assert {name for name in theirs
            if ours.get(name) != theirs[name]} == set() and ours.keys() == theirs.keys() and len(ours) == 272


@pytest.mark.parametrize(("ftype", "types"),
                         [("q4_K_M", {"F32", "Q4_K", "Q6_K"}), ("q4_K_S", {"F32", "Q4_K", "Q5_K", "Q6_K"}),
                          ("q8_0", {"F32", "Q8_0"})])
def test_a_random_llama_of_whole_super_blocks_is_byte_for_byte_what_ollama_writes(
    live, tmp_path, ftype, types
):
    write(tmp_path / "wide.gguf", WIDE, "F16")
    ours = tensors(ql.quantize_model(tmp_path / "wide.gguf", tmp_path / "ours.gguf", ftype, by="ollama"))
    assert ours == made_by_ollama(live, tmp_path / "wide.gguf", ftype)
    assert {qtype for qtype, _ in ours.values()} == types


@pytest.mark.parametrize(("ftype", "shown"), [("IQ4_XS", "unknown"), ("Q3_K_M", "Q3_K_M"), ("Q6_K", "Q6_K"),
                                              ("Q4_K_M", "Q4_K_M")])
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
