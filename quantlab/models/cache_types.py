"""Which types the KV cache may have, and what llama.cpp turns before it stores it in few bits.

    CACHE_TYPES["q8_0"], columns_turned("q8_0", 128, "k")          # 'Q8_0', 128

Where keys or values are stored in few bits, each head is first turned by a Walsh-Hadamard matrix, so that no
column stands out of its block: keys by the largest one that divides a head, values by one of 64 columns.
Heads of other widths than multiples of 64 stay as they are.  Source: llama-kv-cache.cpp (attn_rot_k,
attn_rot_v), November 2026; LLAMA_ATTN_ROT_DISABLE=1 turns it off.
"""

#: llama.cpp's name -> ggml type. Since 0.30 Ollama takes all of them, for keys and values alike.
CACHE_TYPES = {"f32": "F32", "f16": "F16", "bf16": "BF16", "q8_0": "Q8_0", "q5_1": "Q5_1", "q5_0": "Q5_0",
               "q4_1": "Q4_1", "q4_0": "Q4_0", "iq4_nl": "IQ4_NL"}
FEW_BITS = {"q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"}
LEAST_TURNED = 64           # columns


def columns_turned(name: str, head_dim: int, part: str) -> int:
    """Columns that are turned together in heads of `head_dim` columns; 0: none.  part: "k" or "v"."""
    if name not in FEW_BITS or head_dim % LEAST_TURNED:
        return 0
    return head_dim & -head_dim if part == "k" else LEAST_TURNED
