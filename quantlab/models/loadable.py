"""Whether llama.cpp's loader takes what a file says of itself: the keys that it demands, the type that each
value must have, and the numbers that it refuses. No figure of a file that does not load would be true.

Sources: llama.cpp's llama-model.cpp (load_hparams), src/models/*.cpp (load_arch_hparams), llama-vocab.cpp
(load) and llama-model-loader.cpp (get_key: a number of another type than the expected one is refused).
"""

from collections.abc import Callable, Iterator, Mapping

from .architecture import Architecture
from .families import SWA_PATTERN
from .gguf_cursor import GGUFArray, shown
from .metadata import KEYS, READ_BY, is_lite
from .mixers import DELTA_NET, MAMBA2
from .types import ARRAY, BOOL, FLOAT32, STRING, UINT32, VALUE_TYPES

TypeOf = Callable[[str], int | None]

#: Architecture ("" for every one) -> keys that must be there, behind "<arch>.".
DEMANDED = {"": "context_length embedding_length block_count attention.layer_norm_rms_epsilon",
            "gpt-oss": "expert_feed_forward_length attention.sliding_window",
            "deepseek2": "attention.kv_lora_rank expert_feed_forward_length expert_shared_count"}
#: Keys that may have one number for each layer instead of one for all.
PER_LAYER = {"attention.head_count", "attention.head_count_kv", "feed_forward_length", "expert_used_count",
             "expert_feed_forward_length"}
#: Key -> the value at which it changes nothing in a graph without a special rule for it; of the type that
#: llama.cpp reads.
NEUTRAL: dict[str, bool | int | float] = {
    "attention.causal": True, "attention.clamp_kqv": 0.0, "attention.max_alibi_bias": 0.0,
    "attention.sliding_window": 0, "attn_logit_softcapping": 0.0, "final_logit_softcapping": 0.0,
    "attention.scale": 0.0, "attention.temperature_scale": 0.0, "residual_scale": 0.0, "embedding_scale": 0.0,
    "expert_count": 0, "expert_used_count": 0, "expert_group_count": 0, "expert_group_used_count": 0,
    "expert_shared_count": 0, "expert_shared_feed_forward_length": 0, "expert_feed_forward_length": 0,
    "expert_weights_norm": True, "expert_weights_scale": 1.0, "leading_dense_block_count": 0,
    "nextn_predict_layers": 0, "pooling_type": 0, "use_parallel_residual": False, "num_loops": 1,
    "rope.scaling.yarn_beta_fast": 32.0, "rope.scaling.yarn_beta_slow": 1.0,
    "rope.scaling.yarn_ext_factor": 1.0, "rope.scaling.yarn_attn_factor": 1.0,
    "rope.scaling.yarn_log_multiplier": 0.0}


def _neutral(kind: type) -> set[str]:
    return {key for key, value in NEUTRAL.items() if type(value) is kind}


#: Value type -> keys that llama.cpp reads as nothing else, behind "<arch>.".
TYPED = {
    UINT32: {*KEYS.values(), *_neutral(int), "attention.value_length", "rope.scaling.original_context_length",
             "attention.value_length_swa", "rope.dimension_count_swa", "embedding_length_out"},
    FLOAT32: {*_neutral(float), "attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.scaling.factor",
              "rope.scaling.attn_factor", "logit_scale"},
    BOOL: {*_neutral(bool), "rope.scaling.finetuned"},
    STRING: {"rope.scaling.type"},
}
#: Read of every file, though only some architectures make use of it.
READ_ALWAYS = {"attention.key_length_swa"}
#: The same of keys that begin with no architecture's name.
GENERAL = {"general.name": STRING, "general.file_type": UINT32, "tokenizer.ggml.model": STRING,
           "tokenizer.ggml.pre": STRING}
TYPE_NAMES = {number: row[0] for number, row in VALUE_TYPES.items()} | {STRING: "STRING", ARRAY: "ARRAY"}
#: Architecture ("" for every one) -> keys that make another plan unless they are 0.
UNCOUNTED = {"": ("nextn_predict_layers",), "deepseek2": ("attention.temperature_scale",)}
#: Architectures whose heads that guess further words are counted (metadata.py).
GUESS_AHEAD = {"glm4moe", *DELTA_NET}
#: Architectures that may turn a part of each head only.
TURN_IN_PART = {"gemma2", "gemma3", "gemma4", "phi3", "glm4", "glm4moe", *DELTA_NET, *MAMBA2}
ROPE_SCALINGS = ("none", "linear", "yarn", "longrope")
TOKENIZERS = ("none", "no_vocab", "llama", "bert", "gpt2", "hybriddna", "whitespace", "t5", "rwkv",
              "plamo2", "gemma4", "test")
MOST_LAYERS_LOADED, MOST_EXPERTS_LOADED = 512, 1024


def demand_metadata(model: str, metadata: Mapping[str, object], a: Architecture,
                    type_of: TypeOf | None = None) -> None:
    """ValueError that says which key is missing, of another type, or of a value that llama.cpp refuses or
    plans in another way than it is counted here.

    model: its name, for the words.  metadata: in llama.cpp's spelling.  type_of: a key's value type in the
    file, None for a key that is not there; without a file neither types nor the vocabulary are known.
    """
    for key in f"{DEMANDED['']} {DEMANDED.get(a.arch, '')}".split():
        _demand(model, f"{a.arch}.{key}", metadata)
    if a.arch == "deepseek2" and not is_lite(a.n_layer, a.n_vocab):
        _demand(model, f"{a.arch}.attention.q_lora_rank", metadata)
    for key, usual, wanted in _wanted(a):
        value = metadata.get(f"{a.arch}.{key}", usual)
        if value not in wanted:
            raise ValueError(f"{a.arch}.{key} of {model} is {shown(value)}; by its tensors and its other "
                             f"numbers it must be {' or '.join(map(str, wanted))}")
    for key in (() if a.arch in GUESS_AHEAD else UNCOUNTED[""]) + UNCOUNTED.get(a.arch, ()):
        if value := metadata.get(f"{a.arch}.{key}", 0):
            raise ValueError(f"{a.arch}.{key} of {model} is {shown(value)}, and llama.cpp plans such a model "
                             "in another way than it is counted here")
    _demand_counts(model, metadata, a)
    if type_of is not None:
        _demand_types(model, metadata, a, type_of)
        _demand_vocabulary(model, metadata, a, type_of)


def _demand(model: str, key: str, metadata: Mapping[str, object]) -> None:
    if key not in metadata:
        raise ValueError(f"{model} does not say {key}, without which llama.cpp does not load it: fetch or "
                         "convert it anew")


def _wanted(a: Architecture) -> Iterator[tuple[str, object, tuple]]:
    """(key, what llama.cpp assumes where it is absent, the values that it may have)."""
    usual = a.n_embd // a.n_head
    scalings: tuple[str, ...] = ROPE_SCALINGS
    if a.arch == "llama" and (a.longrope or a.rope_freqs):
        scalings = ("longrope",) if a.longrope else ROPE_SCALINGS[:3]
    yield "rope.scaling.type", "linear", scalings
    if a.arch == "deepseek2":
        if a.is_latent:
            yield "attention.head_count_kv", a.n_head, (1,)
            yield "attention.key_length", usual, (a.kv_lora_rank + a.rope_dim,)
        for part, width in (("key", a.head_dim), ("value", a.v_head_dim)):
            yield f"attention.{part}_length_mla", 0, (width if a.is_latent else 0,)
        return
    yield "attention.value_length", usual, (a.head_dim,)
    if a.arch not in TURN_IN_PART:
        yield "rope.dimension_count", a.head_dim, (a.head_dim,)
    if a.sliding_window and a.arch in SWA_PATTERN:
        for part in ("key", "value"):
            yield f"attention.{part}_length_swa", a.head_dim, (a.head_dim,)


def _demand_counts(model: str, metadata: Mapping[str, object], a: Architecture) -> None:
    """Layers, experts and groups of experts as llama.cpp can have them."""
    for name, count, most in (("layers", a.n_layer, MOST_LAYERS_LOADED),
                              ("experts", a.n_expert, MOST_EXPERTS_LOADED)):
        if count > most:
            raise ValueError(f"{model} has {count} {name}; llama.cpp loads {most} at most")
    slide = any(map(a.is_sliding, range(a.n_layer)))
    if a.arch in SWA_PATTERN and not slide and (a.sliding_window or a.arch not in ("gemma3", "llama4")):
        raise ValueError(f"no layer of {model} has a sliding window, and llama.cpp runs no {a.arch} without "
                         "one")
    groups, used = (metadata.get(f"{a.arch}.expert_group_{part}count", 0) for part in ("", "used_"))
    fits = isinstance(groups, int) and isinstance(used, int) and 0 <= groups < max(a.n_expert, 1) and (
        groups < 2 or (a.n_expert % groups == 0 and 0 < used < groups))
    if not fits:
        raise ValueError(f"{model} has {shown(groups)} groups of experts and uses {shown(used)}, which "
                         f"{a.n_expert} experts cannot be divided into")


def _demand_types(model: str, metadata: Mapping[str, object], a: Architecture, type_of: TypeOf) -> None:
    own = {f"{a.arch}.{key}": wanted for wanted, keys in TYPED.items() for key in keys
           if key in READ_ALWAYS or a.arch in READ_BY.get(key, a.arch).split()}
    for key, wanted in (own | GENERAL).items():
        found, value = type_of(key), metadata.get(key)
        if found == ARRAY and isinstance(value, GGUFArray) and key.removeprefix(f"{a.arch}.") in PER_LAYER:
            if len(value) != a.n_layer or value.type not in ("UINT32", "INT32"):
                raise ValueError(f"{key} of {model} is {shown(value)}; one number (UINT32) for each of its "
                                 f"{a.n_layer} layers is needed")
        elif found not in (None, wanted):
            raise ValueError(f"{key} of {model} is of GGUF's type {TYPE_NAMES.get(found, found)}; llama.cpp "
                             f"reads {TYPE_NAMES[wanted]} only")


def _demand_vocabulary(model: str, metadata: Mapping[str, object], a: Architecture, type_of: TypeOf) -> None:
    """A tokenizer that llama.cpp knows, with as many pieces as the table of vectors has rows."""
    _demand(model, "tokenizer.ggml.model", metadata)
    kind, tokens = metadata["tokenizer.ggml.model"], metadata.get("tokenizer.ggml.tokens")
    if kind not in TOKENIZERS:
        raise ValueError(f"tokenizer.ggml.model of {model} is {shown(kind)}, which llama.cpp does not know; "
                         f"it knows {', '.join(TOKENIZERS)}")
    if kind in ("none", "no_vocab"):
        n_tokens = metadata.get(f"{a.arch}.vocab_size", 0)
    else:
        _demand(model, "tokenizer.ggml.tokens", metadata)
        if kind in ("gpt2", "gemma4") and metadata.get("tokenizer.ggml.pre") != "kimi-k2":
            _demand(model, "tokenizer.ggml.merges", metadata)
        if not isinstance(tokens, GGUFArray) or tokens.type != "STRING":
            raise ValueError(f"tokenizer.ggml.tokens of {model} is {shown(tokens)}; a list of texts is "
                             "needed")
        n_tokens = len(tokens)
        for part in ("scores", "token_type"):
            beside = metadata.get(f"tokenizer.ggml.{part}")
            if beside is not None and (not isinstance(beside, GGUFArray) or len(beside) < n_tokens):
                raise ValueError(f"tokenizer.ggml.{part} of {model} is {shown(beside)}; there are {n_tokens} "
                                 "pieces")
    if n_tokens != a.n_vocab:
        raise ValueError(f"the vocabulary of {model} has {shown(n_tokens)} pieces, and its table of vectors "
                         f"{a.n_vocab} rows: llama.cpp does not load it")
