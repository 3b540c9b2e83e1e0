"""What a CUDA card keeps longer, as it does several operations of a mixture of experts in one step.

    kept(nodes, op)         # pairs: a tensor, and the index of the node until which it keeps its place

The router (softmax, sort, pick, scale) is one step, and so are weighting and adding up the experts' results.
What goes into such a step has to outlive it, so the buffer grows: Qwen3 30B needs 20 MiB more than the graph
alone says, without flash attention (ggml-cuda.cu: ggml_backend_cuda_graph_optimize,
ggml_cuda_topk_moe_fusion, ggml_cuda_match_moe_weighted_reduction). It was held against an H200
(`benchmarks/results/cuda_h200.json`).

A third step is not followed, as no shape of the catalog has it: a shared expert exactly as wide as one of the
others (DeepSeek V3).
"""

from collections.abc import Iterator

MOST_ADDED = 15             # ggml-cuda.cu: MOE_WEIGHTED_REDUCTION_MAX_EXPERTS
PICK = ("ARGSORT", "VIEW", "GET_ROWS")
EVEN_OUT = ("RESHAPE", "SUM_ROWS", "CLAMP", "DIV", "RESHAPE")


def kept(nodes: list, op: dict[str, int]) -> Iterator[tuple[object, int]]:
    """nodes: the graph's tensors in their order.  op: an operation's name -> its number."""
    ops, i = [node.op for node in nodes], 0
    named = {number: name for name, number in op.items()}
    names = [named.get(number, "") for number in ops]
    while i < len(nodes):
        end = i + 1
        if names[i] == "MUL":
            end = added_up(nodes, names, i)
            if end > i + 1:
                yield from ((part, end - 1) for part in sources(nodes[i]))
        elif names[i] in ("SOFT_MAX", "UNARY"):
            end = routed(nodes, names, i)
            if end > i + 1:
                yield from ((part, end) for node in nodes[i:end] for part in (node, *sources(node)))
        i = end


def sources(node) -> list:
    return [source for source in node.src if source]


def added_up(nodes: list, names: list[str], i: int) -> int:
    """The end of weighting and adding up that begins at node i; i + 1 where nothing of the kind does: a
    product with one number for each expert and token, one view of it for each expert, and one addition less.
    """
    n_used = nodes[i].ne[1]
    end = i + 2 * n_used
    if not 2 <= n_used <= MOST_ADDED or end > len(nodes):
        return i + 1
    following = names[i + 1:end]
    views = [node for node, name in zip(nodes[i + 1:end], following, strict=True) if name == "VIEW"]
    whole = len(views) == n_used and following.count("ADD") == n_used - 1
    return end if whole and all(view.view_src == nodes[i] for view in views) else i + 1


def routed(nodes: list, names: list[str], i: int) -> int:
    """The end of a router that begins with the chances at node i; i + 1 where none does, or where CUDA has
    none for so many experts (topk-moe.cu: ggml_cuda_should_use_topk_moe).
    """
    biased = names[i + 2:i + 3] == ["ADD"]
    begins = (names[i], "RESHAPE", *(("ADD",) if biased else ()), *PICK)
    n = nodes[i].ne[0]
    if tuple(names[i:i + len(begins)]) != begins or not ((n <= 512 and n & (n - 1) == 0) or n in (288, 576)):
        return i + 1
    end = i + len(begins)
    if tuple(names[end:end + len(EVEN_OUT)]) == EVEN_OUT:
        end += len(EVEN_OUT)
    return end + (names[end:end + 1] == ["SCALE"])
