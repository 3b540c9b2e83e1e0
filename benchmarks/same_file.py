"""How near two computations of the same quantized file come: quantlab and llama.cpp, and llama.cpp and
itself.

Before llama.cpp multiplies with a quantized matrix it rounds the matrix's inputs to 8 bits; quantlab keeps
them in float32. A last bit of a sum that comes out otherwise pushes some inputs over the edge of a step, and
each of them moves others in the layers that follow. So any other order of the same sums (steps of one token,
another kernel for attention) gives llama.cpp itself other logits: that is the "floor", below which no program
can claim to agree with it. All numbers are mean KL divergences in nats per token.
"""

import tempfile
from importlib.metadata import version
from pathlib import Path

import quantlab as ql
from benchmarks.agreement import kld, theirs
from benchmarks.quantize_model import SMOLLM2
from quantlab.models.source import BUNDLED
from tests.inference.files import copied
from tests.inference.int8_activations import Rounding
from tests.inference.llama_oracle import F16, ON

N_CTX = 256
#: Model -> (its 16-bit file, the file types).
MODELS = {"tiny": (BUNDLED["tiny"], ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_XS", "Q3_K_M", "Q2_K")),
          "smollm2_135m": (SMOLLM2, ("Q8_0", "Q4_K_M", "Q4_0", "Q2_K"))}
GOALS = {"tiny": 2e-4, "smollm2_135m": 0.01}
#: What is changed in llama.cpp, one at a time; the basis is one step of 256 tokens, float32 keys and values,
#: no flash attention.
ITSELF = {"again": {}, "steps_of_1_token": {"n_ubatch": 1}, "steps_of_7_tokens": {"n_ubatch": 7},
          "two_threads": {"n_threads_batch": 2}, "flash_attention": {"flash_attn_type": ON},
          "f16_kv_its_default": {"type_k": F16, "type_v": F16}}


def compared(source: Path, ftype: str, folder: Path) -> dict:
    """One file: quantlab against llama.cpp on it, on its weights as float32, with rounded inputs; and
    llama.cpp against itself.
    """
    file = ql.quantize_model(source, folder / "quantized.gguf", ftype, progress=None)
    model = ql.load_lm(file)
    tokens = model.tokenizer.encode(ql.held_out_text()[:8 * N_CTX])[:N_CTX]
    ours = model.logits(tokens)
    floats = copied(source, folder / "floats.gguf", f32=True, tensors=model.weights)
    base, exact = theirs(file, tokens), theirs(floats, tokens)
    itself = {name: kld(base, theirs(file, tokens, **settings)) for name, settings in ITSELF.items()}
    return {"quantlab": kld(base, ours), "quantlab_on_its_weights_as_float32": kld(exact, ours),
            "llama_cpp_on_its_weights_as_float32": kld(base, exact),
            "quantlab_with_inputs_rounded": kld(base, Rounding.of(model, file).logits(tokens)),
            "llama_cpp_itself": itself}


def main() -> dict:
    """model -> type -> the divergences, beside the goals."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (source, ftypes) in MODELS.items():
            results[name] = {}
            for ftype in ftypes if source.is_file() else ():
                results[name][ftype] = compared(source, ftype, Path(folder))
                print(name, ftype, results[name][ftype], flush=True)
    return {"xllamacpp": version("xllamacpp"), "tokens": N_CTX, "goals": GOALS, **results}
