"""Write what train_tiny_llama.py learned as quantlab/data/tiny/: a 16-bit GGUF, the held-out text, the
passages and the loss curve.

    python tools/export_tiny_llama.py --folder /tmp/tiny
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
from tiny_corpus import BY_HEART, CONTROLS, corpus, fetch, passage
from tokenizers import Tokenizer

OUT = Path(__file__).resolve().parent.parent / "quantlab" / "data" / "tiny"
N_CTX, N_HEAD, EPS, ROPE_BASE, END = 256, 4, 1e-5, 10_000.0, "<|endoftext|>"
RECITED_TOKENS = 40                              # of each passage, after its opening words


def write_gguf(path: Path, weights: dict[str, np.ndarray], tokenizer: Tokenizer) -> None:
    """Matrices as F16, norms as F32; the tokenizer as llama.cpp and Ollama read GPT-2's."""
    n_layer = len([name for name in weights if name.endswith(".attn_q")])
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("quantlab tiny llama")
    writer.add_description(
        "A small Llama that knows some Shakespeare by heart. It writes pseudo-Shakespeare; a teaching aid.")
    writer.add_license("cc-by-2.5")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_block_count(n_layer)
    writer.add_context_length(N_CTX)
    writer.add_embedding_length(weights["token_embd"].shape[1])
    writer.add_feed_forward_length(weights["blk.0.ffn_gate"].shape[0])
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
        writer.add_tensor(f"{name}.weight", values.astype(np.float16 if values.ndim == 2 else np.float32))
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the one given to train_tiny_llama.py")
    parser.add_argument("--weights", default="weights.npz",
                        help="checkpoint.npz for a model still in training")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(given.folder / "tokenizer.json"))
    with np.load(given.folder / given.weights) as saved:
        weights = {name.removeprefix("weights/"): saved[name] for name in saved.files
                   if name.startswith("weights/")}
    unfinished = given.out / "tiny.part"
    write_gguf(unfinished, weights, tokenizer)
    unfinished.replace(given.out / "tiny.gguf")
    texts = corpus(fetch(given.folder))
    rows = passages(tokenizer, texts.train)
    (given.out / "passages.json").write_text(json.dumps(rows, indent=1) + "\n")
    (given.out / "held_out.txt").write_text("\n".join(scene.text for scene in texts.held_out))
    (given.out / "loss.jsonl").write_text((given.folder / "loss.jsonl").read_text())


if __name__ == "__main__":
    main()
