"""Which option of a guess about weights and files is right, worked out from the tables that the lesson uses.

A function for each guess of lessons 00 to 05, 11, 12, 15 and 16 in `data/predictions.toml`: `right` is the
index of the true option, and the other values are the numbers in braces that stand in its sentences.
"""

from collections.abc import Callable

import numpy as np

from ..basics.affine import quantize_absmax, rms
from ..basics.sample import sample_weights
from ..exhibits.bits import LINEUP
from ..exhibits.llama import BLOCK as PIXELS
from ..exhibits.llama import HOT, llama
from ..exhibits.outliers import OUTLIER, N
from ..exhibits.types import COMMON_TABLE, mix
from ..formats.anatomy import anatomy, flipped, moved
from ..formats.grid import codebook
from ..formats.table import FORMATS
from ..formats.tensor import quantize
from ..inference.compare import recorded_quality, recorded_table
from ..models.catalog import MODELS
from ..models.recipes import tensor_list, types_by_role

Facts = dict[str, object]


def between(value: float, *borders: float) -> int:
    """How many of the borders, in rising order, the value has reached: the index of its option."""
    return sum(value >= border for border in borders)


def pixels_that_share_a_scale() -> Facts:
    pixels = llama()
    pixels[HOT] *= 60
    restored = quantize_absmax(pixels.reshape(1, -1), 4, block_size=PIXELS).dequantize()
    whole = quantize_absmax(llama().reshape(1, -1), 4, block_size=PIXELS).dequantize()
    ruined = int((restored != whole).sum()) - 1                     # but for the hot one itself
    return {"right": between(ruined, 1, PIXELS), "neighbours": PIXELS - 1}


def the_unquantized_suspect() -> Facts:
    return {"right": list(LINEUP.values()).index(None), "bits": LINEUP}


def error_of_one_bit_more() -> Facts:
    weights = sample_weights()[0]
    four, five = (quantize_absmax(weights, bits) for bits in (4, 5))
    times = four.rmse / five.rmse
    return {"right": between(times, 1.5, 5), "times": times,
            "levels": {4: len(four.levels()), 5: len(five.levels())}}


def how_large_an_outlier_zeroes_half() -> Facts:
    weights = sample_weights().ravel()[:N].copy()
    largest = np.abs(weights).max()
    others = np.arange(N) != OUTLIER
    zeros = {}
    for times in (2, 3, 10, 30):
        weights[OUTLIER] = times * largest
        zeros[times] = float((quantize_absmax(weights, 4).dequantize()[others] == 0).mean())
    return {"right": int(np.argmin([abs(share - 0.5) for share in zeros.values()])), "zeros": zeros}


def which_finer_scale_helps_most() -> Facts:
    matrix = sample_weights()
    whole, rows, blocks = (quantize_absmax(matrix, 4, block_size=size).rmse
                           for size in (None, matrix.shape[1], 32))
    first, second = whole / rows, rows / blocks
    return {"right": 0 if first > 1.1 * second else 1 if second > 1.1 * first else 2, "rows": first,
            "blocks": second, "other_rows": len(matrix) - 1}


def size_of_a_real_header() -> Facts:
    """7.8 MB: measured on Ollama's file of llama3.1:8b (lesson 03); a piece of the vocabulary takes about 60
    bytes with its merges and its type.
    """
    shape = MODELS["llama3.1:8b"]
    about = 60 * shape.n_vocab
    return {"right": between(about, 1e6, 4.92e8), "n_vocab": shape.n_vocab,
            "n_tensors": len(tensor_list(shape, "Q4_K_M"))}


def weights_of_byte_2() -> Facts:
    codes = {int(str(owner.index)) for owner in FORMATS["Q4_0"].layout.owners[2]}
    return {"right": [{0, 1}, {0, 16}, {0, 31}].index(codes)}


def meaning_of_m() -> Facts:
    small, medium = (mix("llama-3.1-8b", name).bpw for name in ("Q4_K_S", "Q4_K_M"))
    return {"right": 2 if medium > small else 1}


def how_far_above_the_common_table() -> Facts:
    old, new = (mix(model, "Q4_0") for model in ("llama-2-7b", "llama-3.1-8b"))
    above = [one.nbytes / 1e9 / COMMON_TABLE["Q4_0"] - 1 for one in (old, new)]
    more = new.n_weights / old.n_weights - 1
    return {"right": int(np.argmin([abs(above[1] - guess) for guess in (above[0], more, 1 / 3)])),
            "llama_2": above[0], "llama_3": above[1], "more_weights": more,
            "more_bits": new.bpw / old.bpw - 1}


def error_of_q5_0() -> Facts:
    four, five = (_rmse(name) for name in ("Q4_0", "Q5_0"))
    share = five / four
    return {"right": int(np.argmin([abs(share - left) for left in (0.8, 0.5, 0.1)])), "share": share}


def divergence_of_q5_k_m() -> Facts:
    kld = recorded_quality("tiny").set_index("ftype").kld
    times = float(kld["Q4_0"] / kld["Q5_K_M"])
    return {"right": int(np.argmin([abs(np.log(times / guess)) for guess in (1.25, 6, 100)])), "times": times,
            "kld": kld.to_dict()}


def bytes_of_q4_k() -> Facts:
    return {"right": [128, 130, 144, 160].index(FORMATS["Q4_K"].type_size)}


def mix_that_raises_attn_output() -> Facts:
    mixes = ["Q5_K_M", "Q4_K_S", "Q3_K_L"]
    roles = [types_by_role("llama-3.1-8b", mix)[mix].str.split().str[-1] for mix in mixes]  # "32 × Q5_K"
    raised = [types["attn_output"] != types["attn_q"] for types in roles]
    return {"right": raised.index(True), "low": roles[raised.index(True)]["attn_q"],
            "types": {mix: types["attn_output"] for mix, types in zip(mixes, roles, strict=True)}}


def role_with_most_extra_bytes() -> Facts:
    mix = tensor_list("llama-3.1-8b", "Q4_K_M")
    extra = (mix.nbytes - mix.n_weights * FORMATS["Q4_K"].bpw / 8).where(mix.type == "Q6_K")
    by_role = extra.groupby(mix.role).sum() / 1e6
    return {"right": ["attn_v", "ffn_down", "output"].index(by_role.idxmax()), "mb": by_role.to_dict(),
            "total": by_role.sum()}


def matrix_that_hurts_most() -> Facts:
    hurts = [row["role"] for row in sorted(_hurt_alone(), key=lambda row: -row["kld"])]
    first = {role: hurts.index(role) for role in ("attn_v", "ffn_down", "token_embd")}
    return {"right": list(first.values()).index(0), "rank_of_attn_v": _ordinal(first["attn_v"]),
            "rank_of_ffn_down": _ordinal(first["ffn_down"])}


def why_the_curve_jumps() -> Facts:
    """Between two jumps all codes are the same: seen on 2,000 scales of the group that lesson 11 draws."""
    x = sample_weights().ravel()[:32]
    scales = np.abs(x).max() / np.linspace(6, 9, 2000)
    codes = np.rint(x[None] / scales[:, None]).astype(int)
    return {"right": 1 if 0 < (np.diff(codes, axis=0) != 0).any(axis=1).sum() < 200 else 0}


def what_the_search_gains() -> Facts:
    gain = 1 - _rmse("Q4_K") / _plain_rmse()
    return {"right": int(np.argmin([abs(gain - guess) for guess in (0.01, 0.08, 0.5)])), "gain": gain,
            "groups": sample_weights().size // 32}


def weights_of_the_scale_of_scales() -> Facts:
    """Of the first super-block, which lesson 15 shows."""
    raw = quantize(sample_weights().reshape(-1, 256)[0], "Q4_K").tobytes()
    parts = anatomy("Q4_K")
    changed = len(moved(parts.decode(raw), parts.decode(flipped(raw, 1, 0))))
    return {"right": [32, changed, 256].index(changed), "moved": changed, "zeros": 256 - changed}


def what_six_bits_cost() -> Facts:
    plain, six = _plain_rmse(), _plain_rmse(_six_bits)
    growth = six / plain - 1
    return {"right": between(growth, 0.01, 0.3), "growth": growth, "plain": plain, "six": six}


def bits_of_broken_rows() -> Facts:
    llama, smollm = (mix(model, "Q4_K_M").bpw for model in ("llama-3.1-8b", "smollm2:135m"))
    return {"right": between(smollm, 4.7, 6), "llama": llama, "smollm": smollm}


def what_a_bent_ruler_gains() -> Facts:
    spread = float(sample_weights().std())
    error = {name: _rmse(name) / spread for name in ("Q4_0", "IQ4_NL")}
    gain = 1 - error["IQ4_NL"] / error["Q4_0"]
    return {"right": 2 if gain < 0 else between(gain, 0, 0.3) - 1, "gain": gain, "error": error}


def where_the_eighth_sign_is() -> Facts:
    """Each entry of ggml's list of signs has an even number of minus signs."""
    from gguf.quants import IQ2_XXS

    signs = np.frombuffer(IQ2_XXS.ksigns, np.uint8)
    even = all(int(byte).bit_count() % 2 == 0 for byte in signs)
    return {"right": 1 if even else 0}


def _hurt_alone() -> list[dict]:
    """The recorded rows of each single matrix of the tiny Llama in Q2_K."""
    table = recorded_table("sensitivity") or {"rows": []}
    return [row for row in table["rows"] if row["by"] == "tensor" and row["qtype"] == "Q2_K"]


def _plain_rmse(stored: Callable[[np.ndarray], np.ndarray] = np.asarray) -> float:
    """4-bit codes with the plain scale and minimum of each 32 weights; stored: how these two are rounded."""
    groups = sample_weights().reshape(-1, 32)
    low = np.minimum(groups.min(axis=1, keepdims=True), 0)
    step, low = stored((groups.max(axis=1, keepdims=True) - low) / 15), -stored(-low)
    codes = np.clip(np.rint((groups - low) / step), 0, 15)
    return rms(codes * step + low - groups)


def _six_bits(numbers: np.ndarray) -> np.ndarray:
    """Scales or minima as whole numbers up to 63, times a float16 that eight of them share."""
    eight = numbers.reshape(-1, 8)
    d = (eight.max(axis=1, keepdims=True) / 63).astype(np.float16)
    return (np.rint(eight / d) * d).astype(np.float32).reshape(-1, 1)


def _rmse(name: str) -> float:
    rows = sample_weights().reshape(-1, 256)
    return rms(quantize(rows, name).dequantize() - rows)


def _ordinal(index: int) -> str:
    words = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
    return words[index] if index < len(words) else f"{index + 1}th"


def rounded_eights_in_the_book() -> Facts:
    """Rounded one by one to 1, 3 or 5 steps, the largest of the 16 weights that share a scale to 5."""
    groups = np.abs(sample_weights()).reshape(-1, 16)
    steps = 5 * groups / groups.max(axis=1, keepdims=True)
    levels = np.clip(np.rint((steps - 1) / 2), 0, 2).astype(int).reshape(-1, 8)
    in_order = 3 ** np.arange(8)
    book = np.searchsorted([8, 25, 43], codebook("IQ2_XS")) @ in_order
    share = float(np.isin(levels @ in_order, book).mean())
    return {"right": between(share, 0.2, 0.5), "share": share, "eights": len(levels)}
