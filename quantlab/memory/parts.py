"""The parts of which llama.cpp's graphs are built, in its order: what comes in, norms, queries and keys,
feed-forward, experts (llama-graph.cpp: llm_graph_context). What a model has of them is known by its tensors.

    parts = Parts(plan)
    x = parts.norm(parts.embeddings(), "attn_norm", layer=0)

A step that writes over what only it reads (a scaling, a softcap) takes no place, and is left out where
nothing hangs on it.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..models.architecture import Architecture
from .ggml import LENT_FROM, CGraph, Shape, Tensor
from .settings import Settings

#: How a router's numbers become chances: before the choice of experts, or among those chosen.
SOFT_MAX, SIGMOID, AMONG_CHOSEN = "softmax", "sigmoid", "among the chosen"


@dataclass(frozen=True)
class Layers:
    """A model, how it is run, and where everything lies.

    kinds: of the layers that are walked through, and of what is outside (alike.py): plans of equal kinds are
    equal, and need the same.  weights: name -> shape and type.  layers: those that are walked
    through.  devices: of each layer, and at last of the output layer; the processor is `host`, the cards come
    before it.  elsewhere: tensors that lie in main memory though their layer does not.
    flash: False where a probe has shown that flash attention would be computed elsewhere than its layer.
    """

    shape: Architecture
    settings: Settings
    kinds: tuple[Hashable, ...]
    host: int
    weights: Mapping[str, tuple[Shape, str]] = field(compare=False)
    layers: tuple[int, ...] = field(compare=False)
    devices: tuple[int, ...] = field(compare=False)
    elsewhere: frozenset[str] = field(default=frozenset(), compare=False)
    flash: bool = True
    probe: bool = False


class Parts(CGraph):
    """A graph, and how its parts are put together."""

    positions_each = 1  # numbers for each token; four where pictures have places of their own

    def __init__(self, plan: Layers):
        super().__init__()
        self.plan, self.shape, self.settings = plan, plan.shape, plan.settings
        s = plan.settings
        self.n_tokens = -(-s.n_tokens // s.n_parallel) * s.n_parallel  # as many for each conversation
        self.last = plan.shape.n_layer - 1
        self._stored: dict[tuple[str, int], Tensor] = {}

    # ---- weights and inputs

    def weight(self, name: str, layer: int | None = None) -> Tensor | None:
        """A weight by its name, without "blk.N." where a layer is given; None where the model has none."""
        full = name if layer is None else f"blk.{layer}.{name}"
        if full not in self.plan.weights:
            return None
        return self._at(full, self.plan.devices[-1] if layer is None else self.plan.devices[layer])

    def shared(self, name: str, layer: int) -> Tensor | None:
        """A weight outside the layers that this layer reads where it is computed itself."""
        return self._at(name, self.plan.devices[layer]) if name in self.plan.weights else None

    def _at(self, full: str, place: int) -> Tensor:
        place = self.plan.host if full in self.plan.elsewhere else place
        if (full, place) not in self._stored:
            self._stored[full, place] = self.stored(*self.plan.weights[full], place, weight=True)
        return self._stored[full, place]

    @cached_property
    def positions(self) -> Tensor:
        return self.input((self.n_tokens * self.positions_each,), "I32")

    @cached_property
    def rows(self) -> Tensor:
        """The tokens whose next word is asked for."""
        return self.input((self.settings.n_rows,), "I32")

    @cached_property
    def query_scale(self) -> Tensor:
        """A number for each token, by its position (build_inp_attn_scale)."""
        return self.input((1, 1, self.n_tokens))

    def embeddings(self, scaled: bool = False, scaled_at_once: bool = False) -> Tensor:
        """The words' vectors. Pictures between words are always planned for: a row from outside for each
        token, and a mixture of both; what is used of the three is the first (build_inp_embd).
        """
        n_embd, n = self.shape.n_embd, self.n_tokens
        table = self._at("token_embd.weight", self.plan.host)
        found = self.get_rows(table, self.input((n,), "I32"))
        pictures, mixed = self.input((n_embd, n)), self.input((n_embd, n))
        ids, slots = self.input((n,), "I32"), self.input((n,), "I64")
        mixture = self.set_rows(self.like("DUP", mixed), self.get_rows(table, ids), slots)
        self.expand(found, pictures, mixture)
        if scaled:
            found = self.mul(found, self.input((1, n)))
        if scaled_at_once:
            found = self.scale(found)
        self.expand(found)
        return found

    # ---- parts of a layer

    def norm(self, x: Tensor, name: str, layer: int | None) -> Tensor:
        """Made even and weighted; without a weight of this name only made even.

        llama.cpp asks that it be computed where its layer lies, but forgets that when it only plans
        (ggml_backend_sched_reserve_size), in all but its probes: the planner's numbers are given here.
        """
        weight, x = self.weight(f"{name}.weight", layer), self.rms_norm(x)
        if weight is None:
            return x
        if self.plan.probe and layer is not None and self.n_tokens < LENT_FROM:
            x.where = self.plan.devices[layer]
        return self.mul(x, weight)

    def matrix(self, name: str, layer: int | None) -> Tensor:
        """A weight that this part cannot be without."""
        found = self.weight(f"{name}.weight", layer)
        assert found is not None, name
        return found

    def bare(self, full: str, layer: int) -> Tensor:
        """A weight with its whole name."""
        found = self.weight(full, layer)
        assert found is not None, full
        return found

    def linear(self, name: str, x: Tensor, layer: int | None) -> Tensor:
        """A matrix, and the bias if there is one."""
        bias, x = self.weight(f"{name}.bias", layer), self.mul_mat(self.matrix(name, layer), x)
        return x if bias is None else self.add(x, bias)

    def has(self, name: str, layer: int) -> bool:
        return f"blk.{layer}.{name}.weight" in self.plan.weights

    def feed_forward(self, x: Tensor, layer: int, suffix: str = "") -> Tensor:
        """Up and gate, which are one matrix in some models, and down again (build_ffn)."""
        up = self.linear(f"ffn_up{suffix}", x, layer)
        if self.has(f"ffn_gate{suffix}", layer):
            gate = self.linear(f"ffn_gate{suffix}", x, layer)
            x = self.glu(gate, up)
        elif up.ne[0] == 2 * self.plan.weights[f"blk.{layer}.ffn_down{suffix}.weight"][0][0]:
            x = self.glu(up)
        else:
            x = self.unary(up)
        return self.linear(f"ffn_down{suffix}", x, layer)

    def experts(
        self,
        x: Tensor,
        layer: int,
        gating: str = SOFT_MAX,
        normed: bool = True,
        weighted_first: bool = False,
        logits: Tensor | None = None,
    ) -> Tensor:
        """A router chooses some experts for each token; their results are added up (build_moe_ffn).

        normed: the chosen one's weights are made to add up to 1.  weighted_first: they are applied to what
        goes in (Llama 4).
        """
        a, n = self.shape, x.ne[1]
        used = a.n_expert_used
        logits = self.linear("ffn_gate_inp", x, layer) if logits is None else logits
        chances = (
            logits
            if gating == AMONG_CHOSEN
            else (self.soft_max if gating == SOFT_MAX else self.unary)(logits)
        )
        chosen = self._chosen(chances, logits if weighted_first else chances, layer, used)
        weights = self.get_rows(self.reshape(chances, 1, a.n_expert, n), chosen)
        if gating == AMONG_CHOSEN:
            weights = self.soft_max(self.reshape(weights, used, n))
            weights = self.reshape(weights, 1, used, n)
        if normed:
            weights = self.reshape(weights, used, n)
            total = self.like("CLAMP", self.sum_rows(weights))
            weights = self.reshape(self.like("DIV", weights, total), 1, used, n)
        if a.expert_scaled:
            weights = self.scale(weights)
        self.expand(weights)
        x = self.reshape(x, x.ne[0], 1, n)
        if weighted_first:
            x = self.mul(self.repeat(x, x.ne[0], used, n), weights)
        x = self._work(x, chosen, layer)
        if not weighted_first:
            x = self.mul(x, weights)
        return self._sum(x, used, n)

    def _chosen(self, chances: Tensor, by: Tensor, layer: int, used: int) -> Tensor:
        """The numbers of the experts of each token."""
        bias = self.weight("exp_probs_b.bias", layer)
        if bias is not None:
            by = self.add(chances, bias)
        if self.shape.n_expert_groups > 1:
            by = self._in_best_groups(by)
        return self.top_k(by, used)

    def _in_best_groups(self, by: Tensor) -> Tensor:
        """Only experts of some groups, those with the two best of their own (DeepSeek V3)."""
        a, n = self.shape, by.ne[1]
        groups = self.reshape(by, a.n_expert // a.n_expert_groups, a.n_expert_groups, n)
        best = self.get_rows(self.reshape(groups, 1, *groups.ne[:3]), self.top_k(groups, 2))
        scores = self.sum_rows(self.reshape(best, *best.ne[1:]))
        chosen = self.top_k(self.reshape(scores, *scores.ne[1:3]), a.n_group_used)
        kept = self.get_rows(groups, chosen)
        return self.reshape(self.set_rows(self.like("FILL", groups), kept, chosen), a.n_expert, n)

    def _work(self, x: Tensor, chosen: Tensor, layer: int) -> Tensor:
        if self.has("ffn_gate_up_exps", layer):  # one matrix, of whose result both are parts
            both = self._matrices("ffn_gate_up_exps", x, chosen, layer)
            gate, up = (self.view(both, (both.ne[0] // 2, *both.ne[1:3]), both.nb[1:3]) for _ in range(2))
            return self._matrices("ffn_down_exps", self.glu(gate, up), chosen, layer)
        up = self._matrices("ffn_up_exps", x, chosen, layer)
        if self.has("ffn_gate_exps", layer):
            gate = self._matrices("ffn_gate_exps", x, chosen, layer)
            x = self.glu(gate, up)
        else:
            x = self.unary(up)
        return self._matrices("ffn_down_exps", x, chosen, layer)

    def _matrices(self, name: str, x: Tensor, chosen: Tensor, layer: int) -> Tensor:
        n, scale, bias = x.ne[2], self.weight(f"{name}.scale", layer), self.weight(f"{name}.bias", layer)
        x = self.mul_mat_id(self.matrix(name, layer), x, chosen)
        if scale is not None:               # a number for each expert (build_lora_mm_id)
            every = self.repeat(self.reshape(scale, 1, self.shape.n_expert, 1), 1, self.shape.n_expert, n)
            x = self.mul(x, self.get_rows(every, chosen))
        return x if bias is None else self.add_id(x, bias, chosen)

    def _sum(self, x: Tensor, used: int, n: int) -> Tensor:
        self.expand(x)
        parts = [self.view(x, (x.ne[0], n), (x.nb[2],)) for _ in range(used)]
        self.expand(*parts)
        total = parts[0]
        for part in parts[1:]:
            total = self.add(total, part)
            self.expand(total)
        return total if used > 1 else self.cont(total)

    # ---- the end

    def finish(self, x: Tensor, scaled: bool = False) -> "Parts":
        """The last norm, and a number for each word."""
        last = "output_norm" if "output_norm.weight" in self.plan.weights else "token_embd_norm"
        x = self.norm(x, last, None)
        x.is_output = True
        matrix = self.weight("output.weight") or self._at("token_embd.weight", self.plan.devices[-1])
        x = self.mul_mat(matrix, x)
        if scaled:
            x = self.scale(x)
        x.is_output = True
        self.expand(x)
        return self
