"""From what a file says about itself to the `Graph` that the forward pass follows: a family's choices, and
the numbers of this model.

    graph = read_graph("tiny.gguf", metadata, shapes)

Every key that llama.cpp's loader reads for these graphs is read here too, or refused.  Source: llama.cpp's
llama-model.cpp (load_hparams) and src/models/*.cpp (load_arch_hparams).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ..models.architecture import MOST_LAYERS
from ..models.families import SWA_PATTERN
from ..models.gguf_cursor import shown
from ..models.loadable import DEMANDED, ROPE_SCALINGS, TURN_IN_PART
from ..models.metadata import KEYS, USUAL_WINDOW
from ..models.ollama_blobs import architecture_name
from .families import FAMILIES, Family
from .keys import Keys
from .rope import Rope, Stretching, rope

Shapes = Mapping[str, tuple[int, ...]]
OUTSIDE = "explore_comparison() measures any model on Ollama, from outside"


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """The numbers of one model; counts as in `Architecture`.

    family: its choices.  eps: what RMSNorm adds.  attention_scale: of the scores.  embedding_scale,
    residual_scale: of word vectors, and of what a layer adds.  logit_scale: logits are divided by it.
    attention_cap, final_cap: scores and logits stay below it, softly (0: no cap).  temperature_scale: how
    much sharper attention gets with each n_ctx_original tokens.
    window: tokens that a local layer sees (0: all layers see all), pattern p: each p-th layer sees all, the
    others a window.  global_rope,
    local_rope: None where nothing turns.  longrope: a context beyond n_ctx_original has `rope_factors_long`,
    a shorter one `rope_factors_short`.
    """

    arch: str
    family: Family
    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    head_dim: int
    n_ff: int
    n_vocab: int
    n_ctx_train: int
    n_expert: int = 0
    n_expert_used: int = 0
    n_ff_shared: int = 0
    eps: float = 1e-5
    attention_scale: float = 0.125
    embedding_scale: float = 1.0
    residual_scale: float = 1.0
    logit_scale: float = 1.0
    attention_cap: float = 0.0
    final_cap: float = 0.0
    temperature_scale: float = 0.0
    window: int = 0
    pattern: int = 0
    global_rope: Rope | None = None
    local_rope: Rope | None = None
    longrope: bool = False
    n_ctx_original: int = 0
    tied_embeddings: bool = False

    def is_local(self, layer: int) -> bool:
        """Whether the layer sees only the last `window` tokens."""
        return bool(self.window) and (not self.pattern or layer % self.pattern < self.pattern - 1)

    def rope_at(self, layer: int) -> Rope | None:
        """What turns in this layer."""
        skipped = self.family.no_rope_every
        if skipped and (layer + 1) % skipped == 0:
            return None
        return self.local_rope if self.is_local(layer) else self.global_rope


def read_graph(name: str, metadata: Mapping[str, object], shapes: Shapes) -> Graph:
    """The graph of a file.  name: for the words of errors.  shapes: tensor name -> shape, in ggml's order.

    Raises ValueError for an architecture that has no row, and for a key that is missing, cannot be, or is
    not known.
    """
    arch = architecture_name(metadata)
    if arch not in FAMILIES:
        raise ValueError(f"{name} is a model of the architecture {shown(arch)}, which cannot be run here; "
                         f"these can: {', '.join(sorted(FAMILIES))}. {OUTSIDE}")
    family, keys = FAMILIES[arch], Keys(name, metadata)
    keys.skip(*family.unread)
    vectors = shapes.get("token_embd.weight", ())
    counts = _counts(keys)
    counts |= _experts(keys, family, counts["n_ff"]) | {"n_vocab": vectors[1] if len(vectors) == 2 else 0,
                                                        "tied_embeddings": "output.weight" not in shapes}
    scales = _scales(keys, family, counts)
    window = _window(keys, arch)
    turning = _ropes(keys, arch, counts, bool(window["window"]))
    keys.demand_all_read()
    return Graph(arch=arch, family=family, **counts, **scales, **window, **turning)


def _counts(keys: Keys) -> dict:
    """How large everything is."""
    n_head, n_embd = keys.count("n_head"), keys.count("n_embd")
    counts = {"n_layer": keys.count("n_layer", most=MOST_LAYERS), "n_embd": n_embd, "n_head": n_head,
              "n_head_kv": keys.count("n_head_kv", n_head),
              "head_dim": keys.count("head_dim", n_embd // n_head),
              "n_ff": keys.count("n_ff", 0, least=0), "n_ctx_train": keys.count("n_ctx_train")}
    if n_head % counts["n_head_kv"]:
        raise ValueError(f"{keys.name} has {counts['n_head_kv']} heads of keys and values for {n_head} heads "
                         "of queries, which cannot share them equally")
    if (values := keys.whole("attention.value_length", counts["head_dim"])) != counts["head_dim"]:
        raise ValueError(f"a head of {keys.name} has {counts['head_dim']} columns for keys and {values} for "
                         "values; the graphs here have the same number")
    return counts


def _experts(keys: Keys, family: Family, n_ff: int) -> dict:
    """How many experts there are, how many of them get a token, and how wide they are."""
    n_expert = keys.count("n_expert", 0, least=0) if family.experts else 0
    if family.experts == "must" and not n_expert:
        raise ValueError(f"{keys.name} says no {keys.prefix}expert_count, and this family has experts only")
    if not n_expert:
        return {}
    used = keys.count("n_expert_used", most=n_expert)
    found = {"n_expert": n_expert, "n_expert_used": used}
    if family.experts == "must":
        found["n_ff"] = keys.count("n_ff_exp", n_ff // used)
    if family.shared_experts:
        found["n_ff_shared"] = keys.count("n_ff_shexp", 0, least=0)
    return found


def _scales(keys: Keys, family: Family, counts: dict) -> dict:
    """What is multiplied, divided and capped."""
    said = {key: keys.number(key, default, positive=default is None)
            for key, default in family.scales.items()}
    wide = counts["n_layer"] == family.wide_scale_at
    width = counts["n_embd"] // counts["n_head"] if wide else counts["head_dim"]
    by_width = float(counts["n_embd"]) ** 0.5
    return {"eps": keys.number("attention.layer_norm_rms_epsilon", positive=False),
            "attention_scale": said.get("attention.scale") or width ** -0.5,
            "embedding_scale": by_width if family.embed_by_width else said.get("embedding_scale") or 1.0,
            "residual_scale": said.get("residual_scale") or 1.0,
            "logit_scale": said.get("logit_scale", 1.0),
            "attention_cap": said.get("attn_logit_softcapping", 0.0),
            "final_cap": said.get("final_logit_softcapping", 0.0),
            "temperature_scale": said.get("attention.temperature_scale", 0.0)}


def _window(keys: Keys, arch: str) -> dict:
    """How far local layers look back, and which layers are local."""
    if arch not in SWA_PATTERN:
        return {"window": 0}
    must_say = KEYS["sliding_window"] in DEMANDED.get(arch, "")
    window = keys.count("sliding_window", None if must_say else USUAL_WINDOW.get(arch, 0), least=0)
    if not window:
        keys.skip("attention.sliding_window_pattern", "rope.freq_base_swa", "rope.dimension_count_swa")
    return {"window": window, "pattern": keys.whole(
        "attention.sliding_window_pattern", SWA_PATTERN[arch], least=0, most=MOST_LAYERS)}


def _ropes(keys: Keys, arch: str, counts: dict, windows: bool) -> dict:
    """RoPE of the layers that see all, and of those that see a window."""
    family = FAMILIES[arch]
    base, n_rot = keys.number("rope.freq_base", 10000.0), _columns(keys, arch, counts["head_dim"])
    kind = keys.word("rope.scaling.type", "linear", ROPE_SCALINGS)
    stretch = _stretch(keys, family, kind, counts["n_ctx_train"])
    long = family.rope_tensors == "long" or (kind == "longrope" and family.rope_tensors == "freqs")
    found: dict = {"longrope": long, "n_ctx_original": stretch.n_ctx_original}
    if family.rope_switch and not keys.switch("rope.scaling.finetuned", True):
        return found
    found["global_rope"] = rope(base, n_rot, family.halves, stretch)
    if not windows:
        return found
    if family.local_rope == "unscaled":
        keys.skip("rope.freq_base_swa")
        return found | {"local_rope": rope(base, n_rot, family.halves, Stretching())}
    plain = family.local_rope == "plain"
    own = keys.number("rope.freq_base_swa", 10000.0 if plain else base)
    keys.whole("rope.dimension_count_swa", n_rot, least=n_rot, most=n_rot)       # llama.cpp takes one for all
    return found | {"local_rope": rope(own, n_rot, family.halves, stretch, plain)}


def _stretch(keys: Keys, family: Family, kind: str, n_ctx_train: int) -> Stretching:
    """How positions are stretched; the old key of 2023 counts where the new one is missing."""
    old = keys.number("rope.scale_linear", 0.0, positive=False)
    factor = keys.number("rope.scaling.factor", old, positive=False) or 1.0
    more = {"fast": keys.number("rope.scaling.yarn_beta_fast", 32.0),
            "slow": keys.number("rope.scaling.yarn_beta_slow", 1.0),
            "log_multiplier": keys.number("rope.scaling.yarn_log_multiplier", 0.0, positive=False)
            } if family.yarn_keys else {}
    return Stretching(factor=1.0 if kind == "none" else factor, yarn=kind == "yarn",
                   n_ctx_original=keys.whole("rope.scaling.original_context_length", n_ctx_train),
                   attention=keys.number("rope.scaling.attn_factor", 1.0), **more)


def _columns(keys: Keys, arch: str, usual: int) -> int:
    """How many columns of a head turn."""
    n_rot = keys.count("rope_dim", usual, most=usual)
    if n_rot % 2 or (n_rot != usual and arch not in TURN_IN_PART):
        raise ValueError(f"RoPE is to turn {n_rot} of the {usual} columns of a head of {keys.name}; here it "
                         f"turns {'an even number' if arch in TURN_IN_PART else 'all, in pairs'}")
    return n_rot
