"""Write what train_tiny_llama.py learned as quantlab/data/tiny/: a 16-bit GGUF, the held-out text, the
passages and the loss curve.

    python tools/export_tiny_llama.py --folder /tmp/tiny
    python tools/export_tiny_llama.py --folder /tmp/tiny --round Q2_K     # tiny-qat.gguf, for few bits
    python tools/export_tiny_llama.py --folder /tmp/tiny --experts        # tiny-moe.gguf, with experts

The file that was trained for few bits holds the very blocks of its last step, and no other weights.
"""

import argparse
import json
import tempfile
from pathlib import Path

import gguf
import numpy as np
from tiny_corpus import BY_HEART, CONTROLS, corpus, fetch, passage
from tiny_experts import N_USED
from tiny_rounding import TERNARY, ready
from tokenizers import Tokenizer

import quantlab as ql
from quantlab.formats.table import FORMATS

OUT = Path(__file__).resolve().parent.parent / "quantlab" / "data" / "tiny"
N_CTX, N_HEAD, EPS, ROPE_BASE, END = 256, 4, 1e-5, 10_000.0, "<|endoftext|>"
EXPERTS_TYPE = "Q4_0"                             # of the model with experts
RECITED_TOKENS = 40                              # of each passage, after its opening words


def write_gguf(path: Path, weights: dict[str, np.ndarray], tokenizer: Tokenizer, tune: str = "",
               matrices=np.float16) -> None:
    """Matrices as F16 (or as `matrices`), norms and the experts' router as F32; the tokenizer as llama.cpp
    and Ollama read GPT-2's.  tune: what was done to the model beyond its first training.
    """
    experts = weights.get("blk.0.ffn_gate_exps")
    n_layer = len([name for name in weights if name.endswith(".attn_q")])
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("quantlab tiny llama")
    writer.add_description(
        "A small Llama that knows some Shakespeare by heart. It writes pseudo-Shakespeare; a teaching aid.")
    writer.add_license("cc-by-2.5")
    if tune:
        writer.add_finetune(tune)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if matrices == np.float16
                         else gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(n_layer)
    writer.add_context_length(N_CTX)
    writer.add_embedding_length(weights["token_embd"].shape[1])
    writer.add_feed_forward_length(
        weights["blk.0.ffn_gate"].shape[0] if experts is None else experts.shape[1])
    if experts is not None:
        writer.add_expert_count(len(experts))
        writer.add_expert_used_count(N_USED)
    writer.add_head_count(N_HEAD)
    writer.add_head_count_kv(N_HEAD * weights["blk.0.attn_k"].shape[0] // weights["blk.0.attn_q"].shape[0])
    writer.add_layer_norm_rms_eps(EPS)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_rope_dimension_count(weights["token_embd"].shape[1] // N_HEAD)
    writer.add_vocab_size(tokenizer.get_vocab_size())
    words = [tokenizer.id_to_token(number) for number in range(tokenizer.get_vocab_size())]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(words)
    writer.add_token_types([gguf.TokenType.CONTROL if word == END else gguf.TokenType.NORMAL
                            for word in words])
    writer.add_token_merges([" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]])
    writer.add_bos_token_id(words.index(END))
    writer.add_eos_token_id(words.index(END))
    writer.add_add_bos_token(False)
    for name, values in weights.items():
        exact = values.ndim == 1 or name.endswith("ffn_gate_inp")
        writer.add_tensor(f"{name}.weight", values.astype(np.float32 if exact else matrices))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def passages(tokenizer: Tokenizer, scenes) -> list[dict]:
    """Opening words, how the text goes on, the work, and whether it was drawn again and again in training."""
    rows = []
    for start in BY_HEART + CONTROLS:
        work, text = passage(scenes, start)
        tokens = tokenizer.encode(text[:1000]).ids
        opening = tokenizer.encode(start).ids
        if tokens[:len(opening)] != opening:
            raise ValueError(f"{start!r} does not end at a token's end")
        goes_on = tokenizer.decode(tokens[len(opening):len(opening) + RECITED_TOKENS])
        rows.append({"opening": start, "goes_on": goes_on, "work": work, "by_heart": start in BY_HEART})
    return rows


def weights_in(file: Path) -> dict[str, np.ndarray]:
    """The weights of a checkpoint, by GGUF's names without ".weight"."""
    with np.load(file) as saved:
        return {name.removeprefix("weights/"): saved[name] for name in saved.files
                if name.startswith("weights/")}


def write_packed(path: Path, checkpoint: Path, tokenizer: Tokenizer, ftype: str, tune: str) -> None:
    """A checkpoint in a mix, or with every matrix in the one type, from its weights in 32 bits."""
    weights = weights_in(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.gguf"
        write_gguf(whole, {name: ready(w, ftype) if w.ndim == 2 else w for name, w in weights.items()},
                   tokenizer, tune, np.float32)
        ql.quantize_model(whole, path, ftype, pure=ftype in FORMATS and ftype not in TERNARY, replace=True)


def write_first(folder: Path, out: Path, weights: Path, tokenizer: Tokenizer) -> None:
    """The 16-bit model, and the texts."""
    unfinished = out / "tiny.part"
    write_gguf(unfinished, weights_in(weights), tokenizer)
    unfinished.replace(out / "tiny.gguf")
    texts = corpus(fetch(folder))
    rows = passages(tokenizer, texts.train)
    (out / "passages.json").write_text(json.dumps(rows, indent=1) + "\n")
    (out / "held_out.txt").write_text("\n".join(scene.text for scene in texts.held_out))
    (out / "loss.jsonl").write_text((folder / "loss.jsonl").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the one given to train_tiny_llama.py")
    parser.add_argument("--weights", default="weights.npz",
                        help="checkpoint.npz for a model still in training")
    parser.add_argument("--round", metavar="TYPE", help="what was trained with --round TYPE")
    parser.add_argument("--experts", action="store_true", help="what was trained with --experts")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(given.folder / "tokenizer.json"))
    if given.round:
        write_packed(given.out / "tiny-qat.gguf", given.folder / f"round-{given.round}.npz", tokenizer,
                     given.round, f"trained on with every matrix as {given.round}")
    elif given.experts:
        write_packed(given.out / "tiny-moe.gguf", given.folder / "experts.npz", tokenizer, EXPERTS_TYPE,
                     "each feed-forward part cut into experts, and trained on")
    else:
        write_first(given.folder, given.out, given.folder / given.weights, tokenizer)


if __name__ == "__main__":
    main()
