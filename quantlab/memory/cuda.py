"""What llama.cpp's CUDA device answers when it is asked about a tensor: how many bytes it takes, whether it
is computed there, and whether weights of main memory are borrowed for it (ggml-cuda.cu, fattn.cu).

    bytes_on_card(tensor), card_computes(tensor), is_lent(tensor)

The oracle's virtual card gives the same answers (`oracles/virtual_card.py`); an H200 confirmed them
(`benchmarks/results/cuda_h200.json`).
"""

from ..models.types import block_of
from .ggml import LENT_FROM, Tensor
from .weights import CARD_ALIGNMENT, aligned, row_filling

#: Types that CUDA has flash attention for (ggml_cuda_fattn_kv_type_supported).
FLASH_TYPES = {"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"}
#: Those that its usual build reads as they are, for keys and values of one type (GGML_CUDA_FA_QUANTS).
READ_AS_THEY_ARE = {"F16", "BF16", "Q4_0", "Q8_0"}
#: Widths of heads with flash attention, where keys and values are equally wide.
FLASH_HEADS = (40, 64, 72, 80, 96, 112, 128, 256)
#: Widths of keys and values -> how many heads have to look at one key at least, or a multiple of that.
SHARED_HEADS = {(192, 128): 8, (320, 256): 32, (512, 512): 2, (576, 512): 2}


def has_flash_heads(key: int, value: int, shared: int) -> bool:
    """Whether CUDA has flash attention for such heads.  shared: heads that look at one key
    (ggml_cuda_get_best_fattn_kernel).
    """
    if key == value and key in FLASH_HEADS:
        return True
    least = SHARED_HEADS.get((key, value))
    return least is not None and (shared >= 2 if least == 2 else shared % least == 0)


def bytes_on_card(tensor: Tensor, nbytes: int | None = None) -> int:
    """Bytes of a tensor on a card (ggml_backend_cuda_buffer_type_get_alloc_size): rows of quantized weights
    are filled up to 512, and flash attention keeps 16-bit copies of a cache of another type behind its
    result.  nbytes: of the tensor, where they are known.
    """
    nbytes = tensor.nbytes if nbytes is None else nbytes
    if tensor.op == "FLASH_ATTN_EXT":
        for part in copied(*tensor.src[:3]):
            nbytes = aligned(nbytes, CARD_ALIGNMENT) + 2 * part.n_elements
    return nbytes + row_filling(tensor.ne[0], tensor.qtype)


def copied(q: Tensor, k: Tensor, v: Tensor) -> list[Tensor]:
    """Which of keys and values are converted. For a few tokens they are read as they are; values that are a
    part of the keys (DeepSeek's latent cache) are not converted twice.
    """
    head, shared, n_tokens = q.ne[0], q.ne[2] // k.ne[2], q.ne[1]
    if block_of(k.qtype)[0] > 1 or block_of(v.qtype)[0] > 1:
        few = n_tokens <= 2                         # on cards since Ada; before, one
    else:
        few = n_tokens == 1 and (shared == 1 or (q.ne[3] == 1 and not (
            shared > 4 and (head >= 256 or k.ne[1] >= 8192))))
    if few and head in (64, 128, 256) and k.qtype == v.qtype and k.qtype in READ_AS_THEY_ARE:
        return []
    part = v.base is not None and v.base in (k, k.base)
    return [one for one, again in ((k, False), (v, part)) if one.qtype != "F16" and not again]


def card_computes(tensor: Tensor) -> bool:
    """Everything but flash attention of some heads and types. DeepSeek in files made before April 2025 has
    such heads: keys longer than values, each head with its own.
    """
    if tensor.op != "FLASH_ATTN_EXT":
        return True
    q, k, v = tensor.src[:3]
    return has_flash_heads(k.ne[0], v.ne[0], q.ne[2] // k.ne[2]) and {k.qtype, v.qtype} <= FLASH_TYPES


def is_lent(tensor: Tensor) -> bool:
    """Whether a card computes with weights that lie in main memory: for many rows at a time
    (ggml_backend_cuda_device_offload_op).
    """
    ne = tensor.ne
    if tensor.op == "GET_ROWS":
        return False
    if tensor.op == "MUL_MAT":
        return ne[1] >= LENT_FROM
    return (ne[2] if tensor.op in ("MUL_MAT_ID", "ROPE") else ne[1] * ne[2] * ne[3]) >= LENT_FROM
