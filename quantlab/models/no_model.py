"""What people take for a language model and is none: said in one sentence, with what to do instead.

A GGUF file may hold a LoRA adapter, an importance matrix, the picture encoder of a model that sees, a
vocabulary, or a model that draws or compares texts; `why_none` tells by what the file says of itself and by
its tensors' names. A large file may have been cut into pieces, too: `piece_in_words`.
Sources: gguf-py's constants.py (GGUFType, MODEL_ARCH), llama.cpp's convert_lora_to_gguf.py and
cvector-generator, ComfyUI-GGUF's and stable-diffusion.cpp's names.
"""

import re
from collections.abc import Collection, Mapping

from .gguf_cursor import shown


class NoModel(ValueError):
    """A readable file that is no language model; the message says what it is and what to do."""


LORA = ("a LoRA adapter, a small change to a model, and no model: give the file of the model it was made "
        "for{base}; llama.cpp adds the adapter with --lora")
IMATRIX = ("an importance matrix, measured on a model, and no model: give the model's own file, and this one "
           "as imatrix=")
PROJECTOR = ("a multimodal projector (an encoder of pictures or sound), and no language model: give the "
             "model's own file; estimate_memory takes this one beside it, as projector=open_model(...)")
VECTOR = ("a control vector, a direction to push a model in, and no model: give the model's own file; "
          "llama.cpp adds the vector with --control-vector")
VOCABULARY = "only a vocabulary, without a single weight: give the file of a whole model that uses it"
EMPTY = "a file without a single tensor, so no model: fetch it anew, or give the file that has the weights"
DRAWS = ("a model of pictures or films ({arch}), and no language model: stable-diffusion.cpp and ComfyUI run "
         "it; llama.cpp and Ollama do not, and nothing here counts it")
EMBEDS = ("an embedding model ({arch}), which turns a text into numbers to compare and writes none: give a "
          "model that writes, such as a llama or a qwen3")
SPEAKS = "a decoder of sound ({arch}), and no language model: give the file of the model that writes"

_KINDS = {
    DRAWS: "flux sd1 sd2 sd3 sdxl aura hidream cosmos ltxv hyvid wan lumina2 pixart qwen_image chroma",
    EMBEDS: "bert nomic-bert nomic-bert-moe jina-bert-v2 jina-bert-v3 modern-bert neo-bert eurobert "
            "t5encoder gemma-embedding llama-embed",
    PROJECTOR: "clip", VECTOR: "controlvector", SPEAKS: "wavtokenizer-dec"}
#: general.architecture -> what such a file is.
BY_ARCHITECTURE = {arch: words for words, names in _KINDS.items() for arch in names.split()}
BY_TYPE = {"adapter": LORA, "imatrix": IMATRIX, "mmproj": PROJECTOR}        # general.type
#: Ends and beginnings of tensor names that no language model has, for files that do not say what they are.
BY_END = {".lora_a": LORA, ".lora_b": LORA, ".in_sum2": IMATRIX}
BY_START = {"model.diffusion_model.": DRAWS, "first_stage_model.": DRAWS, "cond_stage_model.": DRAWS,
            "double_blocks.": DRAWS, "joint_blocks.": DRAWS, "input_blocks.": DRAWS,
            "diffusion_model.": DRAWS, "v.": PROJECTOR, "mm.": PROJECTOR, "a.": PROJECTOR}


def why_none(metadata: Mapping[str, object], names: Collection[str]) -> str:
    """What the file is and what to do, behind "NAME is"; "" for what may be a language model.

    metadata: a file's or /api/show's.  names: of its tensors.
    """
    arch = metadata.get("general.architecture")
    words = _told(metadata, arch) or _named(names)
    if not names and not words:
        words = VOCABULARY if "tokenizer.ggml.tokens" in metadata else EMPTY
    base = metadata.get("general.base_model.0.name")
    return words.format(arch=shown(arch) if isinstance(arch, str) else "by its tensors' names",
                        base=f" ({shown(base)})" if isinstance(base, str) else "")


def _told(metadata: Mapping[str, object], arch: object) -> str:
    kind = metadata.get("general.type")
    by_type = BY_TYPE.get(kind, "") if isinstance(kind, str) else ""
    by_arch = BY_ARCHITECTURE.get(arch, "") if isinstance(arch, str) else ""
    return by_type or (LORA if "adapter.type" in metadata else "") or by_arch


def _named(names: Collection[str]) -> str:
    """By the names of the tensors; one of a language model's own decides for it."""
    ends = tuple(BY_END)
    if any(name.startswith(("blk.", "token_embd")) and not name.endswith(ends) for name in names):
        return ""
    return next((words for name in names
                 for fits, table in ((name.endswith, BY_END), (name.startswith, BY_START))
                 for part, words in table.items() if fits(part)), "")


# ---- pieces of files

_PIECE = re.compile(r"(?P<whole>.+?)(?:[.-]part[-_]?(?P<part>\d+)(?:[-_]?of[-_]?(?P<parts>\d+))?"
                    r"|[.-]split-(?P<letter>[a-z]{1,2})|\.(?P<digits>\d{3}))(?:\.gguf)?", re.IGNORECASE)


def piece_in_words(name: str) -> str:
    """What to do with the piece of a file that was cut anywhere ("m.gguf.part1of2"), behind "NAME is"; ""
    for any other name.
    """
    if (found := _PIECE.fullmatch(name)) is None:
        return ""
    group = next(group for group in ("part", "letter", "digits") if found[group])
    count = f" of {int(found['parts'])}" if found["parts"] else ""
    whole, every = found["whole"], name[: found.start(group)] + "*"
    return (f"piece {found[group].lstrip('0') or '0'}{count} of a file that was cut to be uploaded: join all "
            f"pieces in their order (`cat {every} > {whole}`) and open {whole}")
