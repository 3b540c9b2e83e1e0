"""How llama.cpp shares a graph among cards and processor, and how much room each needs for the results.

    sizes = Scheduler(n_cards=1).sizes(graph)           # bytes: of the card, then of main memory

`split` says which device computes what, and cuts the order wherever the device changes, or a matrix that
lies in main memory is lent to a card; a cut begins with copies of all that lies elsewhere (ggml-backend.cpp:
ggml_backend_sched_split_graph). `allocate` then gives every result a place when it is made, and takes the
place back after its last use (ggml-alloc.c: ggml_gallocr_alloc_graph_impl).
"""

from .cuda import bytes_on_card, card_computes, is_lent
from .fusion import fused
from .ggml import IN_PLACE, UNDECIDED, VIEWS, CGraph, Tensor
from .space import Space
from .weights import CARD_ALIGNMENT, HOST_ALIGNMENT

#: Operations whose weights are too small to decide where they are computed.
UNWEIGHTED = frozenset(("ROPE", "FLASH_ATTN_EXT"))
# of each input where several cards work at a time (ggml-backend.cpp: GGML_SCHED_MAX_COPIES)
COPIES = 4


def borrows(node: Tensor, device: int) -> bool:
    """Whether it reads weights that lie elsewhere."""
    return any([src.weight and src.place != device for src in node.src])


class Scheduler:
    """Devices by number: the cards, then the processor (`host`).  copies: of each input; more than one where
    several cards work at a time.
    """

    def __init__(self, n_cards: int = 1, copies: int = 1):
        self.host, self.copies = n_cards, copies

    def sizes(self, graph: CGraph) -> list[int]:
        """Bytes of the buffer of each device."""
        order, leaves = self.split(graph)
        return self.allocate(order, leaves)

    def _computes(self, device: int, tensor: Tensor) -> bool:
        return tensor.op != "FLASH_ATTN_EXT" or device == self.host or card_computes(tensor)

    # ---- which device computes what

    def split(self, graph: CGraph) -> tuple[list, list]:
        """(nodes, leaves), each with its device, in the order in which places are given."""
        for tensor in (*graph.leaves, *graph.nodes):
            if tensor.where == UNDECIDED:
                tensor.where = self._by_sources(tensor)
        self._spread([node for node in graph.nodes if node.op not in VIEWS])
        for node in graph.nodes:
            if node.where < 0 and node.base is not None:
                node.where = node.base.where
            for src in node.src:
                if src.where < 0:
                    src.where = node.where if src.base is None else src.base.where
            if node.where < 0:
                node.where = next(i for i in range(self.host + 1) if self._computes(i, node))
        return self._cut(graph)

    def _by_sources(self, tensor: Tensor) -> int:
        """The device that what a tensor is made of asks for (ggml_backend_sched_backend_id_from_cur)."""
        place = tensor.place
        if place is not None:
            return place if self._computes(place, tensor) else UNDECIDED
        if tensor.is_input:
            return self.host
        if tensor.op not in UNWEIGHTED:
            for src in tensor.src:
                if src.weight:
                    return 0 if src.place == self.host and self.host and is_lent(tensor) else src.place
        return UNDECIDED

    def _spread(self, nodes: list[Tensor]) -> None:
        """Neighbours of what is decided: first those of cards, down the order and up, then the rest."""
        host, backwards = self.host, nodes[::-1]
        for skip_host in (True, False):
            for order in (nodes, backwards):
                device = None
                for node in order:
                    where = node.where
                    if where >= 0:
                        device = None if skip_host and where == host else where
                    elif device is not None and self._computes(device, node):
                        node.where = device

    def _cut(self, graph: CGraph) -> tuple[list, list]:
        """The order with the copies that each part of it begins with; nodes then read these."""
        copies: dict[tuple[Tensor, int], Tensor] = {}
        device = next((node.where for node in graph.nodes if node.op not in VIEWS), self.host)
        inputs: list[Tensor] = []
        nodes: list[Tensor] = []
        parts = [(device, inputs, nodes)]  # device, what is copied, nodes
        several: dict[Tensor, int] = {}  # inputs that are kept in several copies
        for node in graph.nodes:
            if node.op not in VIEWS:
                if node.where != device or (inputs and borrows(node, device)):
                    device, inputs, nodes = node.where, [], []
                    parts.append((device, inputs, nodes))
                elsewhere = False
                for src in node.src:
                    if src.is_input and self.copies > 1:
                        several[src] = src.where
                    if src.where != device:
                        elsewhere = True
                        if (src, device) not in copies:
                            copies[src, device] = self._copy_of(src)
                            inputs.append(src)
                if elsewhere:
                    node.src = tuple([copies.get((src, device), src) for src in node.src])
            nodes.append(node)
        order: list[tuple] = []
        kept = self._fuse(parts)
        for device, inputs, nodes in parts:
            for src in inputs:
                order += [((src,), None, src.where), ((), copies[src, device], device)]
            for node in nodes:
                order.append((node.src, node, node.where))
                if node in kept:
                    order.append((tuple(kept[node]), None, device))
        lent = [(copies[src, device], device) for device, inputs, _ in parts for src in inputs]
        return order, self._leaves(graph, [*several.items(), *lent])

    def _fuse(self, parts: list[tuple[int, list, list]]) -> dict[Tensor, dict[Tensor, None]]:
        """Puts the nodes of each part in the order of its card.  Returns what is kept until a node has been
        computed.
        """
        kept: dict[Tensor, dict[Tensor, None]] = {}
        for i, (device, _, nodes) in enumerate(parts):
            if device != self.host:
                nodes[:], found = fused(nodes)
                later = parts[i + 1][2][:1] if i + 1 < len(parts) else []
                for tensor, until in found:
                    if until < len(nodes) + len(later):
                        kept.setdefault((nodes[until:until + 1] or later)[0], {})[tensor] = None
        return kept

    def _copy_of(self, src: Tensor) -> Tensor:
        copy = Tensor("NONE", src.ne, qtype=src.qtype, nb=src.nb)
        copy.is_input = copy.is_output = self.copies > 1
        return copy

    def _leaves(self, graph: CGraph, kept: list[tuple[Tensor, int]]) -> list[tuple[Tensor, int]]:
        """What has its place before anything is computed.  kept: what there are several copies of."""
        leaves = []
        if self.copies > 1:
            for src, device in kept:
                src.is_output = True  # never given back
                leaves += [(src, device)] + [(self._copy_of(src), device) for _ in range(self.copies - 1)]
        return leaves + [(leaf, leaf.where) for leaf in graph.leaves]

    # ---- where each result lies

    def allocate(self, order: list, leaves: list) -> list[int]:
        """Bytes of each device's buffer.  order: (what is read, node, device)."""
        return Allocation(self.host).run(order, leaves)


class Allocation:
    """The places that are taken now, on each of some cards and in main memory."""

    def __init__(self, n_cards: int):
        self.spaces = [Space(CARD_ALIGNMENT) for _ in range(n_cards)] + [Space(HOST_ALIGNMENT)]
        self.host = n_cards

    def run(self, order: list, leaves: list) -> list[int]:
        """Bytes that each buffer must have."""
        for leaf, device in leaves:
            if leaf.place is None:
                self._take(leaf, device)
        for read, node, device in order:
            if node is not None and node.base is not None:
                node.base.views += 1
            for src in read:
                src.readers += 1
                if src.is_input and src.at is None:
                    self._take(src, device)
        for read, node, device in order:
            if node is not None and node.base is None and node.at is None and not (
                node.op in IN_PLACE and self._over(node)
            ):
                self._take(node, device)
            for src in read:
                src.readers -= 1
                if not src.readers and not src.views:
                    self._release(src)
        return [space.peak for space in self.spaces]

    def _nbytes(self, tensor: Tensor, device: int) -> int:
        return tensor.nbytes if device == self.host else bytes_on_card(tensor)

    def _take(self, tensor: Tensor, device: int) -> None:
        tensor.at = device, self.spaces[device].take(self._nbytes(tensor, device))

    def _over(self, node: Tensor) -> bool:
        """Write the result over what it reads, if nobody else reads that, no view looks at it, and it is laid
        out alike.
        """
        for src in node.src:
            if (
                src.at is not None
                and src.readers == 1
                and not src.views
                and src.nb == node.nb
                and src.ne == node.ne
                and src.qtype == node.qtype
                and not src.is_output
            ):
                device, (offset, nbytes) = src.at
                needed = self.spaces[device].padded(self._nbytes(node, device))
                if nbytes > needed:
                    self.spaces[device].give((offset + needed, nbytes - needed))
                node.at, src.at = (device, (offset, needed)), None
                return True
        return False

    def _release(self, src: Tensor) -> None:
        """After the last reader its place is free, or that of what it looks at."""
        owner = src
        if src.base is not None:
            owner = src.base
            owner.views -= 1
            if owner.views or owner.readers:
                return
        if owner.at is not None and not owner.is_output:
            device, place = owner.at
            self.spaces[device].give(place)
            owner.at = None
