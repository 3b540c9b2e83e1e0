"""A small ggml: tensors that have a shape and a place, but no numbers, and the graph of operations that makes
one out of others. Enough of it to know in which order llama.cpp works, and how many bytes each result takes.

    graph = CGraph()
    x = graph.input((2048, 512))
    y = graph.mul_mat(graph.stored((2048, 8192), "Q4_K", place=0, weight=True), x)
    graph.expand(y)
    y.ne                # (8192, 512, 1, 1): a row's length first, as ggml has it

The names are ggml's (ggml.c): `ne` numbers in each direction, `nb` bytes from one to the next. A view is
another look at a result, and takes no bytes. The order of the nodes is that in which
ggml_build_forward_expand meets them: what a node reads comes before it, from left to right.
"""

from functools import lru_cache
from math import prod

from ..models.types import block_of

Shape = tuple[int, ...]
VIEWS = frozenset(("VIEW", "RESHAPE", "PERMUTE", "TRANSPOSE"))
#: Operations that may write their result over what they read (ggml-alloc.c: ggml_op_can_inplace).
IN_PLACE = frozenset(
    (
        "FILL",
        "SCALE",
        "ADD",
        "ADD_ID",
        "SUB",
        "MUL",
        "DIV",
        "SQR",
        "SQRT",
        "LOG",
        "UNARY",
        "ROPE",
        "RMS_NORM",
        "CLAMP",
        "SOFT_MAX",
    )
)


UNDECIDED = -1
#: Rows from which a card is lent work whose weights lie in main memory (ggml-cuda:
#: GGML_OP_OFFLOAD_MIN_BATCH).
LENT_FROM = 32


class Tensor:
    """One tensor: what makes it (`op`, "NONE" for what comes from outside) and out of what (`src`).

    base: the tensor that a view looks at.  place: the device (by number) where it was put before the graph
    was made, None for results; weight: it is one, and no cache.

    The rest is the scheduler's: the device (`where`), its place there (`at`), who still reads it.
    """

    __slots__ = (
        "at",
        "base",
        "dense",
        "is_input",
        "is_output",
        "nb",
        "ne",
        "op",
        "place",
        "qtype",
        "readers",
        "seen",
        "src",
        "views",
        "weight",
        "where",
    )

    def __init__(
        self,
        op: str,
        ne: Shape,
        src: tuple = (),
        qtype: str = "F32",
        nb: Shape | None = None,
        base: "Tensor | None" = None,
    ):
        self.op, self.ne, self.src, self.qtype, self.base = op, ne, src, qtype, base
        self.dense = nb is None  # nothing lies between its numbers
        self.nb = steps(ne, qtype) if nb is None else nb
        self.is_input = self.is_output = self.seen = self.weight = False
        self.place: int | None = None if base is None else base.place
        self.where = UNDECIDED
        self.at: tuple[int, tuple[int, int]] | None = None
        self.readers = self.views = 0

    @property
    def nbytes(self) -> int:
        """From the first number to behind the last (ggml_nbytes)."""
        if self.base is None and self.dense:
            return self.nb[3] * self.ne[3]
        return _nbytes(self.ne, self.nb, self.qtype)

    @property
    def n_elements(self) -> int:
        return prod(self.ne)

    @property
    def is_contiguous(self) -> bool:
        return self.dense or self.nb == steps(self.ne, self.qtype)


@lru_cache(maxsize=2**16)
def steps(ne: Shape, qtype: str) -> Shape:
    """Bytes from one number to the next in each direction, where nothing lies between them."""
    block_size, type_size = block_of(qtype)
    row = ne[0] // block_size * type_size
    return type_size, row, row * ne[1], row * ne[1] * ne[2]


@lru_cache(maxsize=2**16)
def _nbytes(ne: Shape, nb: Shape, qtype: str) -> int:
    block_size, type_size = block_of(qtype)
    if not all(ne):
        return 0
    first = type_size + (ne[0] - 1) * nb[0] if block_size == 1 else ne[0] * nb[0] // block_size
    return first + sum((n - 1) * step for n, step in zip(ne[1:], nb[1:], strict=True))


def four(*ne: int) -> Shape:
    """A shape in all four directions."""
    return ne + (1,) * (4 - len(ne))


class CGraph:
    """Operations, and the order in which they are worked off (`nodes`); `leaves` come from outside."""

    def __init__(self):
        self.nodes: list[Tensor] = []
        self.leaves: list[Tensor] = []

    def expand(self, *tensors: Tensor) -> None:
        """Put what makes the tensors at the end of the order, where it is not in it yet."""
        for tensor in tensors:
            if not tensor.seen:
                self._visit(tensor)

    def _visit(self, tensor: Tensor) -> None:
        tensor.seen = True
        for src in tensor.src:
            if not src.seen:
                self._visit(src)
        (self.leaves if tensor.op == "NONE" else self.nodes).append(tensor)

    # ---- from outside

    def input(self, ne: Shape, qtype: str = "F32") -> Tensor:
        """Numbers that the program writes before each step."""
        found = Tensor("NONE", four(*ne), qtype=qtype)
        found.is_input = True
        return found

    def stored(self, ne: Shape, qtype: str, place: int, weight: bool = False) -> Tensor:
        """A weight, or a cache, that lies on a device already."""
        found = Tensor("NONE", four(*ne), qtype=qtype)
        found.place, found.weight = place, weight
        return found

    # ---- other looks at the same bytes

    def view(self, a: Tensor, ne: Shape, nb: Shape = (), op: str = "VIEW") -> Tensor:
        """`ne` of the numbers of a; nb: the steps behind the first, where they are not the usual ones."""
        ne = four(*ne)
        if nb:
            usual = (a.nb[0], *nb)
            while len(usual) < 4:
                usual += (usual[-1] * ne[len(usual) - 1],)
            nb = usual
        else:
            nb = steps(ne, a.qtype)
        return Tensor(op, ne, (a,), a.qtype, nb, a.base or a)

    def reshape(self, a: Tensor, *ne: int) -> Tensor:
        return self.view(a, ne, op="RESHAPE")

    def permute(self, a: Tensor, *axes: int) -> Tensor:
        ne, nb = [0] * 4, [0] * 4
        for i, axis in enumerate(axes):
            ne[axis], nb[axis] = a.ne[i], a.nb[i]
        return Tensor("PERMUTE", tuple(ne), (a,), a.qtype, tuple(nb), a.base or a)

    def transpose(self, a: Tensor) -> Tensor:
        ne, nb = a.ne, a.nb
        return Tensor(
            "TRANSPOSE", (ne[1], ne[0], *ne[2:]), (a,), a.qtype, (nb[1], nb[0], *nb[2:]), a.base or a
        )

    def _over(self, op: str, a: Tensor, *src: Tensor) -> Tensor:
        """A result that is written over a."""
        return Tensor(op, a.ne, src, a.qtype, a.nb, a.base or a)

    # ---- results

    def like(self, op: str, a: Tensor, *more: Tensor) -> Tensor:
        """A result of the shape of a."""
        return Tensor(op, a.ne, (a, *more), a.qtype)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return self.like("ADD", a, b)

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        return self.like("MUL", a, b)

    def unary(self, a: Tensor) -> Tensor:
        return self.like("UNARY", a)

    def scale(self, a: Tensor) -> Tensor:
        return self.like("SCALE", a)

    def rms_norm(self, a: Tensor) -> Tensor:
        return self.like("RMS_NORM", a)

    def glu(self, gate: Tensor, up: Tensor | None = None) -> Tensor:
        """Gate times up; without `up` both lie side by side in each row."""
        if up is not None:
            return self.like("GLU", gate, up)
        return Tensor("GLU", (gate.ne[0] // 2, *gate.ne[1:]), (gate,))

    def rope(self, a: Tensor, positions: Tensor, freqs: Tensor | None = None) -> Tensor:
        return self.like("ROPE", a, positions, *([freqs] if freqs else []))

    def soft_max(self, a: Tensor, *more: Tensor | None) -> Tensor:
        return self.like("SOFT_MAX", a, *(one for one in more if one))

    def mul_mat(self, a: Tensor, b: Tensor) -> Tensor:
        return Tensor("MUL_MAT", (a.ne[1], *b.ne[1:]), (a, b))

    def mul_mat_id(self, a: Tensor, b: Tensor, ids: Tensor) -> Tensor:
        """b times some of the matrices in a, chosen by ids."""
        return Tensor("MUL_MAT_ID", (a.ne[1], ids.ne[0], b.ne[2], 1), (a, b, ids))

    def add_id(self, a: Tensor, b: Tensor, ids: Tensor) -> Tensor:
        return self.like("ADD_ID", a, b, ids)

    def get_rows(self, a: Tensor, ids: Tensor) -> Tensor:
        qtype = "I32" if a.qtype == "I32" else "F32"
        return Tensor("GET_ROWS", (a.ne[0], *ids.ne[:3]), (a, ids), qtype)

    def set_rows(self, a: Tensor, rows: Tensor, ids: Tensor) -> Tensor:
        return self._over("SET_ROWS", a, rows, ids, a)

    def copy(self, a: Tensor, to: Tensor) -> Tensor:
        return self._over("CPY", to, a, to)

    def clear(self, a: Tensor) -> Tensor:
        """Set to 0 where it lies (ggml_scale_inplace)."""
        return self._over("SCALE", a, a)

    def cont(self, a: Tensor, *ne: int) -> Tensor:
        """Its numbers in their order, one behind the other, perhaps in another shape."""
        return Tensor("CONT", four(*ne) if ne else a.ne, (a,), a.qtype)

    def cast(self, a: Tensor, qtype: str) -> Tensor:
        return Tensor("CPY", a.ne, (a,), qtype)

    def concat(self, a: Tensor, b: Tensor, direction: int) -> Tensor:
        ne = [n + b.ne[direction] * (i == direction) for i, n in enumerate(a.ne)]
        return Tensor("CONCAT", tuple(ne), (a, b), a.qtype)

    def repeat(self, a: Tensor, *ne: int) -> Tensor:
        return Tensor("REPEAT", four(*ne), (a,), a.qtype)

    def pad(self, a: Tensor, *ne: int) -> Tensor:
        return Tensor("PAD", four(*ne), (a,), a.qtype)

    def sum_rows(self, a: Tensor) -> Tensor:
        return Tensor("SUM_ROWS", (1, *a.ne[1:]), (a,))

    def top_k(self, a: Tensor, k: int) -> Tensor:
        """The numbers of the k largest of each row: all are sorted, then some are looked at."""
        order = Tensor("ARGSORT", a.ne, (a,), "I32")
        return self.view(order, (k, *a.ne[1:]), order.nb[1:])

    def ssm_conv(self, x: Tensor, kernel: Tensor) -> Tensor:
        """Each channel convolved over its tokens."""
        return Tensor("SSM_CONV", (kernel.ne[1], x.ne[0] - kernel.ne[0] + 1, x.ne[2], 1), (x, kernel))

    def ssm_scan(self, states: Tensor, x: Tensor, *more: Tensor) -> Tensor:
        """What Mamba 2 says, and behind it the new states of the conversations in the last of `more`."""
        n = x.n_elements + prod(states.ne[:3]) * more[-1].ne[0]
        return Tensor("SSM_SCAN", (n, 1, 1, 1), (states, x, *more))

    def delta_net(self, q: Tensor, k: Tensor, v: Tensor, *more: Tensor) -> Tensor:
        """What the gated delta net says, and behind it the new states."""
        width, heads, n_tokens, n_seqs = v.ne
        return Tensor("GATED_DELTA_NET", (width * heads, (n_tokens + width) * n_seqs, 1, 1), (q, k, v, *more))

    def flash_attention(self, q: Tensor, k: Tensor, v: Tensor, *more: Tensor | None) -> Tensor:
        return Tensor(
            "FLASH_ATTN_EXT", (v.ne[0], q.ne[2], q.ne[1], q.ne[3]), (q, k, v, *(one for one in more if one))
        )
