"""The rules by which llama.cpp and Ollama give each matrix its type, as tables to read.

A mix like Q4_K_M has a usual type (Q4_K) and a few matrices that deserve better. For each matrix the first
rule that fits decides; if none does, the matrix gets the usual type. The order is therefore part of the
rules. recipe_walk.py walks them.  Sources: llama.cpp's src/llama-quant.cpp (b11434) and Ollama's
server/quantization.go (0.17.4; since 0.30 it leaves that to llama-quantize). The whys are theirs where their
comments give one, else common knowledge; tests compare the choices with both programs' own.
"""

from collections.abc import Callable
from typing import NamedTuple

from .architecture import Architecture
from .metadata import Counts


class Place(NamedTuple):
    """What a condition may ask: which of its kind a matrix is (the `nth` of `n_alike`), its shape, and the
    model around it.
    """

    nth: int
    n_alike: int
    whole_blocks: bool      # a row is a whole number of blocks of the mix's usual type
    stacked: bool           # a third dimension: all experts (or heads) in one tensor
    sharing: int            # query heads per key and value head
    n_expert: int
    is_70b: bool
    imatrix: bool


class Rule(NamedTuple):
    """In these `ftypes` ("*": all) a matrix of these `roles` ("*": any) gets `qtype` where all of `where`
    holds.
    """

    roles: str
    where: str | tuple[str, ...]
    ftypes: str
    qtype: str
    why: str


ALWAYS = "everywhere"
FIRST_2, FIRST_4 = "the first 2 layers", "the first 4 layers"
FIRST_8TH, FIRST_16TH = "the first eighth of the layers", "the first sixteenth of the layers"
MIDDLE = "all but the first and the last eighth of the layers"
RAISED = "the first eighth, the last eighth and every third layer between"
SHARED = "4 or more query heads share it"
SHARED_OR_EXPERTS = "4 or more query heads share it, or 4 or more experts"
EIGHT_EXPERTS, OTHER_THAN_8 = "models of exactly 8 experts", "models without 8 experts"
IS_70B = "70B models"
IMATRIX, NO_IMATRIX = "with an importance matrix", "without an importance matrix"
STACKED = "all experts (or heads) in one tensor"
BROKEN_ROWS = "rows that are no whole number of blocks"

#: The words of `where` -> does it hold?  Divisions round down, as in C: with 30 layers an eighth is 3.
CONDITIONS: dict[str, Callable[[Place], bool]] = {
    ALWAYS: lambda at: True,
    FIRST_2: lambda at: at.nth < 2,
    FIRST_4: lambda at: at.nth < 4,
    FIRST_8TH: lambda at: at.nth < at.n_alike // 8,
    FIRST_16TH: lambda at: at.nth < at.n_alike // 16,
    MIDDLE: lambda at: at.n_alike // 8 <= at.nth < 7 * at.n_alike // 8,
    RAISED: lambda at: (at.nth < at.n_alike // 8 or at.nth >= 7 * at.n_alike // 8
                        or (at.nth - at.n_alike // 8) % 3 == 2),
    SHARED: lambda at: at.sharing >= 4,
    SHARED_OR_EXPERTS: lambda at: at.sharing >= 4 or at.n_expert >= 4,
    EIGHT_EXPERTS: lambda at: at.n_expert == 8,
    OTHER_THAN_8: lambda at: at.n_expert != 8,
    IS_70B: lambda at: at.is_70b,
    IMATRIX: lambda at: at.imatrix,
    NO_IMATRIX: lambda at: not at.imatrix,
    STACKED: lambda at: at.stacked,
    BROKEN_ROWS: lambda at: not at.whole_blocks,
}


def is_70b(model: Architecture | Counts) -> bool:
    """What llama.cpp counts as a 70B model: 80 layers of Qwen, or of Llama when heads share keys and values.
    """
    return model.n_layer == 80 and (model.arch == "qwen2"
                                    or (model.arch == "llama" and model.n_head != model.n_head_kv))


#: ftype -> its usual type, in the order in which llama.cpp's families are told. With COPY they are the 36
#: names that llama-quantize lists.
USUAL = {"Q4_0": "Q4_0", "Q4_1": "Q4_1", "Q5_0": "Q5_0", "Q5_1": "Q5_1", "Q8_0": "Q8_0", "Q2_K": "Q2_K",
         "Q2_K_S": "Q2_K", "Q3_K_S": "Q3_K", "Q3_K_M": "Q3_K", "Q3_K_L": "Q3_K", "Q4_K_S": "Q4_K",
         "Q4_K_M": "Q4_K", "Q5_K_S": "Q5_K", "Q5_K_M": "Q5_K", "Q6_K": "Q6_K", "IQ4_NL": "IQ4_NL",
         "IQ4_XS": "IQ4_XS", "IQ3_XXS": "IQ3_XXS", "IQ3_XS": "IQ3_S", "IQ3_S": "IQ3_S", "IQ3_M": "IQ3_S",
         "IQ2_XXS": "IQ2_XXS", "IQ2_XS": "IQ2_XS", "IQ2_S": "IQ2_XS", "IQ2_M": "IQ2_S", "IQ1_S": "IQ1_S",
         "IQ1_M": "IQ1_M", "TQ1_0": "TQ1_0", "TQ2_0": "TQ2_0", "Q1_0": "Q1_0", "Q2_0": "Q2_0",
         "MXFP4_MOE": "Q8_0", "F16": "F16", "BF16": "BF16", "F32": "F32"}
OLLAMA_USUAL = {"Q4_K_S": "Q4_K", "Q4_K_M": "Q4_K", "Q8_0": "Q8_0"}
#: Every tensor as it is in the file; only their order and the keys of the header may change.
COPY = "COPY"
#: With `--pure` this type stands for the mix, not the usual one.
PURE = {"MXFP4_MOE": "MXFP4"}
#: Mixes that are written for who asks, and proposed to nobody: F32 gains nothing, Q1_0 and Q2_0 are for
#: models trained with so few values, and IQ1 breaks a small model.
UNASKED = ("IQ1_S", "IQ1_M", "Q1_0", "Q2_0", "F32")
#: Further names that llama-quantize takes.
ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}
_REPACKED = ("was removed from llama.cpp in December 2024 (its issue 10757): take {}, which is put into that "
             "order when the file is loaded")
#: Names that people still meet -> what happened to them.
GONE = {**{name: _REPACKED.format("Q4_0") for name in ("Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8")},
        **{name: _REPACKED.format("IQ4_NL") for name in ("IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8")},
        "Q4_2": "was removed from llama.cpp in May 2023 (its pull request 1405): take Q4_0 or Q4_K_M",
        "Q4_3": "was removed from llama.cpp in April 2023 (its pull request 1218): take Q5_0 or Q5_K_M",
        "Q4_1_SOME_F16": "is not written any more: take Q4_1 or Q4_K_M",
        "NVFP4": "is a type and no mix: llama-quantize gives it to chosen matrices only, as types= does "
                 "here. Whole files of it come from a converter"}
ONE_BIT = "IQ1_S IQ1_M"
TWO_BITS = f"IQ2_XXS IQ2_XS IQ2_S IQ2_M {ONE_BIT}"

#: A row that is no whole number of 256-weight blocks: the type in blocks of 32 that takes over.
FALLBACKS = {"IQ1_S": "IQ4_NL", "IQ1_M": "IQ4_NL", "IQ2_XXS": "IQ4_NL", "IQ2_XS": "IQ4_NL",
             "IQ2_S": "IQ4_NL", "IQ3_XXS": "IQ4_NL",
             "IQ3_S": "IQ4_NL", "IQ4_XS": "IQ4_NL", "Q2_K": "Q4_0", "Q3_K": "Q4_0", "TQ1_0": "Q4_0",
             "TQ2_0": "Q4_0", "Q2_0": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
OLLAMA_FALLBACKS = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}

#: attn_v, also where it is fused with the queries and keys (Phi) or compressed with the keys (old DeepSeek
#: files).
VALUES = "attn_v attn_qkv attn_kv_b"

_LAST = "the last step: its errors go into the choice of every word"
_WORDS = "every token starts here, and it is only looked up, so its bits cost no computing time"
_SUMS = "errors in the values go straight into what attention passes on"
_CHEAP = "shared values make a small matrix: more bits cost little"
_70B = "in the 70B models 8 query heads share it: 8 times smaller than attn_q, so better bits are nearly free"
_EXPERTS = "next to 8 experts the attention is small: better bits cost little (about 128 MB in Mixtral)"
_ADDED = "its result is added to the stream that all later layers read"
_WILD = "all later layers read its result, and its inputs have large outliers"
_EARLY = "an error in an early layer passes through all that follow"
_LOOKS = "queries and keys only decide where to look, which bears coarser steps"
_INNER = "the middle layers bear coarser steps than the ends"
_SPREAD = "in half of the layers, for half of the cost"

_OUTPUT = (
    Rule("output", BROKEN_ROWS, "*", "Q8_0",
         "the output must not suffer from a shape that fits no super-block"),
    Rule("output", ALWAYS, "Q8_0 MXFP4_MOE", "Q8_0", "the mix has better bits than Q6_K already"),
    Rule("output", ALWAYS, TWO_BITS + " IQ3_XXS", "Q5_K", _LAST),
    Rule("output", ALWAYS, "*", "Q6_K", _LAST),
    Rule("token_embd", ALWAYS, f"IQ2_XXS IQ2_XS {ONE_BIT}", "Q2_K", _WORDS),
    Rule("token_embd", ALWAYS, "IQ2_S IQ2_M IQ3_XXS", "IQ3_S", _WORDS),
    Rule("token_embd", ALWAYS, "TQ1_0 TQ2_0 Q2_0", "Q4_K", _WORDS),
    Rule("*", STACKED, "MXFP4_MOE", "MXFP4",
         "the experts hold most weights, and each token reads few of them"),
)

_ATTENTION = (
    Rule(VALUES, SHARED_OR_EXPERTS, TWO_BITS, "Q4_K", _CHEAP),
    Rule(VALUES, ALWAYS, "IQ2_S IQ2_M", "IQ3_S", _SUMS),
    Rule(VALUES, ALWAYS, f"IQ2_XXS IQ2_XS {ONE_BIT}", "Q2_K", _SUMS),
    Rule(VALUES, EIGHT_EXPERTS, "*", "Q8_0", _EXPERTS),
    Rule(VALUES, RAISED, "Q4_K_M Q5_K_M", "Q6_K", f"{_SUMS}; {_SPREAD}"),
    Rule(VALUES, IS_70B, "Q2_K Q3_K_S Q3_K_M Q4_K_S Q4_K_M IQ3_M", "Q5_K", _70B),
    Rule(VALUES, (IS_70B, SHARED), "Q2_K_S IQ3_XXS IQ3_XS IQ3_S", "Q5_K", _70B),
    Rule(VALUES, FIRST_4, "Q4_K_S", "Q5_K", _EARLY),
    Rule(VALUES, FIRST_2, "Q3_K_M", "Q5_K", _EARLY),
    Rule(VALUES, ALWAYS, "Q3_K_M", "Q4_K", _SUMS),
    Rule(VALUES, ALWAYS, "Q3_K_L", "Q5_K", _SUMS),
    Rule(VALUES, SHARED, "Q2_K Q2_K_S IQ3_XXS IQ3_XS IQ3_S", "Q4_K", _CHEAP),
    Rule(VALUES, SHARED, "IQ4_NL IQ4_XS", "Q5_K", _CHEAP),
    Rule(VALUES, ALWAYS, "Q2_K", "Q3_K", _SUMS),
    Rule(VALUES, ALWAYS, "IQ3_M", "Q4_K", _SUMS),
    Rule(VALUES, NO_IMATRIX, "IQ3_XXS", "IQ3_S", f"{_SUMS}, and nothing says which columns matter"),
    Rule("attn_k", EIGHT_EXPERTS, TWO_BITS, "Q4_K", _EXPERTS),
    Rule("attn_k", EIGHT_EXPERTS, "*", "Q8_0", _EXPERTS),
    Rule("attn_q attn_k", ALWAYS, "IQ3_XS", "IQ3_XXS", _LOOKS),
    Rule("attn_q attn_k", ALWAYS, "IQ3_XXS", "IQ2_S", _LOOKS),
    Rule("attn_output", EIGHT_EXPERTS,
         TWO_BITS + " Q2_K Q3_K_S Q3_K_M Q4_K_S Q4_K_M IQ3_XXS IQ3_XS IQ3_S IQ3_M IQ4_NL IQ4_XS",
         "Q5_K", _EXPERTS),
    Rule("attn_output", OTHER_THAN_8, ONE_BIT, "IQ2_XXS", _ADDED),
    Rule("attn_output", OTHER_THAN_8, "IQ2_S IQ2_M IQ3_XXS", "IQ3_S", _ADDED),
    Rule("attn_output", OTHER_THAN_8, "Q2_K", "Q3_K", _ADDED),
    Rule("attn_output", OTHER_THAN_8, "Q3_K_M IQ3_M", "Q4_K", _ADDED),
    Rule("attn_output", OTHER_THAN_8, "Q3_K_L", "Q5_K", _ADDED),
)

_FEED_FORWARD = (
    Rule("ffn_down", RAISED, "Q4_K_M Q5_K_M", "Q6_K", f"{_WILD}; {_SPREAD}"),
    Rule("ffn_down", FIRST_8TH, "Q4_K_S", "Q5_K", _EARLY),
    Rule("ffn_down", FIRST_16TH, "Q3_K_M", "Q5_K", _EARLY),
    Rule("ffn_down", ALWAYS, "Q3_K_M", "Q4_K", _WILD),
    Rule("ffn_down", ALWAYS, "Q3_K_L", "Q5_K", _WILD),
    Rule("ffn_down", ALWAYS, "Q2_K", "Q3_K", _WILD),
    Rule("ffn_down", FIRST_8TH, "Q2_K_S IQ3_M", "Q4_K", _EARLY),
    Rule("ffn_down", (EIGHT_EXPERTS, RAISED), "IQ3_M", "Q4_K", _SPREAD),
    Rule("ffn_down", (NO_IMATRIX, FIRST_8TH), "IQ3_XXS", "Q4_K",
         f"{_EARLY}, and nothing says which columns matter"),
    Rule("ffn_down", NO_IMATRIX, "IQ3_XXS", "Q3_K", f"{_WILD}, and nothing says which columns matter"),
    Rule("ffn_down", (NO_IMATRIX, FIRST_8TH), "IQ4_NL IQ4_XS", "Q5_K",
         f"{_EARLY}, and nothing says which columns matter"),
    Rule("ffn_down", FIRST_8TH, "IQ2_S IQ2_M", "IQ3_S", _EARLY),
    Rule("ffn_down", FIRST_8TH, f"IQ2_XXS IQ2_XS {ONE_BIT}", "Q2_K", _EARLY),
    Rule("ffn_down", (IMATRIX, FIRST_8TH), "Q4_0", "Q4_1",
         "the first of them can go wild in Q4_0 even with an importance matrix"),
    Rule("ffn_down", (IMATRIX, FIRST_8TH), "Q5_0", "Q5_1",
         "the first of them can go wild in Q5_0 even with an importance matrix"),
    Rule("ffn_gate ffn_up", MIDDLE, "IQ3_XS", "IQ3_XXS", _INNER),
)

RULES = _OUTPUT + _ATTENTION + _FEED_FORWARD

#: Ollama took over what its three mixes need, without the 70B rule, and keeps DeepSeek's compressed attention
#: in Q8_0.
OLLAMA_RULES = (
    *(rule for rule in _OUTPUT if rule.roles == "output" and TWO_BITS not in rule.ftypes),
    Rule("attn_v", EIGHT_EXPERTS, "*", "Q8_0", _EXPERTS),
    Rule("attn_v", RAISED, "Q4_K_M", "Q6_K", f"{_SUMS}; {_SPREAD}"),
    Rule("attn_v", FIRST_4, "Q4_K_S", "Q5_K", _EARLY),
    Rule("attn_k", EIGHT_EXPERTS, "*", "Q8_0", _EXPERTS),
    Rule("attn_k_b attn_v_b attn_kv_a_mqa attn_q_a attn_q_b", ALWAYS, "*", "Q8_0",
         "compressed attention loses quality below that"),
    Rule("attn_output", EIGHT_EXPERTS, "Q4_K_S Q4_K_M", "Q5_K", _EXPERTS),
    Rule("attn_qkv", ALWAYS, "Q4_K_M", "Q5_K",
         "queries, keys and values in one matrix: between Q4_K and Q6_K"),
    Rule("ffn_down", RAISED, "Q4_K_M", "Q6_K", f"{_WILD}; {_SPREAD}"),
    Rule("ffn_down", FIRST_8TH, "Q4_K_S", "Q5_K", _EARLY),
)


#: Parts of the names of matrices that llama.cpp never quantizes (tensor_allows_quantization): norms, routers,
#: small corrections, convolutions, positions, and what only encoders of pictures and sound have.
LEFT_ALONE = """
_norm.weight ffn_gate_inp.weight ffn_gate_tid2eid.weight altup laurel per_layer_model_proj ssm_conv1d
shortconv.conv.weight indexer.k_proj.weight indexer.q_proj.weight time_mix_first.weight time_mix_w0.weight
time_mix_w1.weight time_mix_w2.weight time_mix_v0.weight time_mix_v1.weight time_mix_v2.weight
time_mix_a0.weight time_mix_a1.weight time_mix_a2.weight time_mix_g1.weight time_mix_g2.weight
time_mix_decay_w1.weight time_mix_decay_w2.weight time_mix_lerp_fused.weight attn_rel_b.weight .position_embd
sam.pos_embd sam.neck. sam.net_ .rel_pos .patch_embd .patch_merger a.rvq.codebook mm.a.code_embd
"""


class Program(NamedTuple):
    """A program that quantizes: ftype -> usual type, its rules, its fallbacks, and whether it refuses a row
    of blocks of more than 32 without one; `left`: parts of the names of matrices that it leaves as they are,
    `left_starts`: how such names start.
    """

    name: str
    usual: dict[str, str]
    rules: tuple[Rule, ...]
    fallbacks: dict[str, str]
    refuses: bool
    left: tuple[str, ...]
    left_starts: tuple[str, ...] = ()

    @property
    def offered(self) -> list[str]:
        """The mixes that people are shown unasked."""
        return [ftype for ftype in self.usual if ftype not in UNASKED]


PROGRAMS = {program.name: program for program in (
    Program("llama.cpp", USUAL, RULES, FALLBACKS, True,
            tuple(LEFT_ALONE.split()), ("position_embd.", "token_types.")),
    Program("ollama", OLLAMA_USUAL, OLLAMA_RULES, OLLAMA_FALLBACKS, False,
            ("_norm.weight", "ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight", "mm."), ("v.",)),
)}
