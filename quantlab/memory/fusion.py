"""What a CUDA card keeps longer, as it does several operations of a mixture of experts in one step.

    order, kept = fused(nodes)      # kept: pairs of a tensor and the index of the node until which it stays

There are three such steps: the router (softmax, sort, pick, even out, scale); weighting and adding up the
experts' results; gate and up of the experts together with those of a shared expert of the same size. What
goes into a step has to outlive it, so the buffer grows: Qwen3 30B needs 20 MiB more than the graph alone
says, without flash attention (ggml-cuda.cu: ggml_backend_cuda_graph_optimize, ggml_cuda_topk_moe_fusion,
ggml_cuda_match_moe_weighted_reduction, ggml_cuda_match_shared_expert). The first two were held against an
H200 (`benchmarks/results/cuda_h200.json`).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ..models.types import block_of
from .ggml import Tensor

Kept = Iterator[tuple[Tensor, int]]
MOST_ADDED = 15  # ggml-cuda.cu: MOE_WEIGHTED_REDUCTION_MAX_EXPERTS
PICK = ("ARGSORT", "VIEW", "GET_ROWS")
EVEN_OUT = ("RESHAPE", "SUM_ROWS", "CLAMP", "DIV", "RESHAPE")
PAIR = ("MUL_MAT_ID", "MUL_MAT_ID", "GLU")
SHARED_PAIR = ("MUL_MAT", "MUL_MAT", "GLU")


def may_be_fused(ops: Sequence[str]) -> bool:
    """Whether a part of a graph with these operations has experts, a router, or a sum of products."""
    return "MUL_MAT_ID" in ops or "ARGSORT" in ops or any(
        first == "MUL" and second in ("MUL", "VIEW") for first, second in pairwise(ops))


def fused(nodes: list[Tensor]) -> tuple[list[Tensor], list[tuple[Tensor, int]]]:
    """The order in which a card works off a part of a graph, and what it keeps: a tensor, and the index of a
    node; one behind the last is the first node of the next part.
    """
    nodes = list(nodes)
    return nodes, [*_shared_experts(nodes), *_routers_and_sums(nodes)]


def ops_of(nodes: list[Tensor], i: int, n: int) -> tuple[str, ...]:
    return tuple([node.op for node in nodes[i:i + n]])


# ---- a shared expert


def _shared_experts(nodes: list[Tensor]) -> Kept:
    """Moves the shared expert's operations behind those of the others, where both become one step."""
    i = 0
    while i + 5 < len(nodes):
        if nodes[i].op == "MUL_MAT_ID" and (j := _shared_expert(nodes, i)):
            nodes[i + 3:j + 3] = nodes[j:j + 3] + nodes[i + 3:j]
            up = nodes[i + 2].src[1]
            yield from ((part, i + 5) for part in up.src[1:3])
            i += 5
        i += 1


def _shared_expert(nodes: list[Tensor], i: int) -> int:
    """Where the shared expert of the experts at node i begins; 0 where there is none that goes with them."""
    if ops_of(nodes, i, 3) != PAIR:
        return 0
    for j in range(i + 3, len(nodes) - 2):
        if nodes[j].op == nodes[j + 1].op == "MUL_MAT_ID":
            return 0
        if ops_of(nodes, j, 3) == SHARED_PAIR and _go_together(nodes[i:i + 3], nodes[j:j + 3]):
            return j
    return 0


def _go_together(experts: list[Tensor], shared: list[Tensor]) -> bool:
    for first, second, glu in (experts, shared):
        gate, up = (*glu.src, None, None)[:2]
        if {gate, up} != {first, second} or gate.src[1:] != up.src[1:] or not _alike(gate.src[0], up.src[0]):
            return False
    (ours, given), (its, plain) = (three[2].src[1].src[:2] for three in (experts, shared))
    lies_there = ours.place is not None and block_of(ours.qtype)[0] > 1          # and is no copy
    same_input = given.op == "RESHAPE" and given.src[0] is plain and given.ne[1] == given.ne[3] == 1
    return lies_there and same_input and ours.qtype == its.qtype and ours.ne[:2] == its.ne[:2]


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.qtype == b.qtype and a.ne == b.ne


# ---- routers, and sums


def _routers_and_sums(nodes: list[Tensor]) -> Kept:
    i = 0
    while i < len(nodes):
        end = i + 1
        if nodes[i].op == "MUL":
            end, parts = weighted_sum(nodes, i)
            yield from ((part, end - 1) for part in parts)
        elif nodes[i].op in ("SOFT_MAX", "UNARY"):
            end = routed(nodes, i)
            if end > i + 1:
                yield from ((part, end) for node in nodes[i:end] for part in (node, *node.src))
        i = end


def weighted_sum(nodes: list[Tensor], i: int) -> tuple[int, list[Tensor]]:
    """The end of weighting and adding up that begins at node i, and what goes in; (i + 1, []) where nothing
    of the kind does: a product with one number for each expert and token, or two such products, then one view
    for each expert and one addition less.
    """
    weighted, parts = nodes[i], _weighted(nodes[i])
    following = nodes[i + 1] if i + 1 < len(nodes) else None
    first = i + 1
    if parts and following is not None and following.op == "MUL":
        again = _weighted(following)
        if again and again[0] is weighted:
            weighted, parts, first = following, [*parts, again[1]], i + 2
    n_used = weighted.ne[1]
    rest = nodes[first:first + 2 * n_used - 1]
    if not parts or not 2 <= n_used <= MOST_ADDED or len(rest) < 2 * n_used - 1:
        return i + 1, []
    views = [node for node in rest if node.op == "VIEW" and node.src[0] is weighted]
    whole = len(views) == n_used and sum(node.op == "ADD" for node in rest) == n_used - 1
    return (first + len(rest), parts) if whole else (i + 1, [])


def _weighted(product: Tensor) -> list[Tensor]:
    """[what is weighted, its weights], in which each row has one number."""
    ne = product.ne
    for full, weights in (product.src, product.src[::-1]):
        if full.ne == ne and weights.ne == (1, *ne[1:]):
            return [full, weights]
    return []


def routed(nodes: list[Tensor], i: int) -> int:
    """The end of a router that begins with the chances at node i; i + 1 where none does, or where CUDA has
    none for so many experts (topk-moe.cu: ggml_cuda_should_use_topk_moe).
    """
    biased = ops_of(nodes, i + 2, 1) == ("ADD",)
    begins = (nodes[i].op, "RESHAPE", *(("ADD",) if biased else ()), *PICK)
    n, end = nodes[i].ne[0], i + len(begins)
    if ops_of(nodes, i, len(begins)) != begins or not ((n <= 512 and n & (n - 1) == 0) or n in (288, 576)):
        return i + 1
    if nodes[end - 3].src[0] is not nodes[i + 2 * biased] or len(nodes[i].src) > 1:
        return i + 1                    # the choice is by other numbers, as in Llama 4
    if ops_of(nodes, end, len(EVEN_OUT)) == EVEN_OUT:
        end += len(EVEN_OUT)
    return end + (ops_of(nodes, end, 1) == ("SCALE",))
