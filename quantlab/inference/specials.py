"""Which tokens are no text: llama.cpp goes by their names where a file says otherwise, and so does this room.

    kinds = kinds_of(tokens, types)
    ends = ends_of(tokens, {"eos": 2})

Source: llama.cpp's llama-vocab.cpp (load: "auto-detect special tokens by text", special_eog_ids).
"""

from collections.abc import Mapping, Sequence

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4         # llama.h: enum llama_token_type
#: A model ends its turn, or its text, with any of these.
ENDS = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
        "<end_of_turn>", "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]",
        "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
        "<｜end▁of▁sentence｜>", "[e~["}
#: What a file may name by a key `tokenizer.ggml.<part>_token_id` -> the names by which it is found otherwise.
PARTS = {"fim_pad": ("<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>"),
         "fim_rep": ("<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"),
         "fim_sep": ("<|file_sep|>",)}
#: Found like PARTS, but nothing ends with them.
WITHIN = {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<PRE>", "▁<PRE>", "<|code_prefix|>",
          "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<SUF>", "▁<SUF>", "<|code_suffix|>",
          "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<MID>", "▁<MID>", "<|code_middle|>",
          "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"}
#: gpt-oss writes its channels with these, as text.
SHOWN = {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"}
#: Where all tokens of the first column are there, the second is as it says and ends nothing.
NO_ENDS = (({"<|return|>", "<|call|>"}, "<|end|>", USER_DEFINED),
           ({"<|flush|>", "<|calls|>"}, "<|end|>", USER_DEFINED),
           ({"<|tool_response>"}, "</s>", NORMAL))


def kinds_of(tokens: Sequence[str], types: Sequence[int]) -> list[int]:
    """The type of each token, after llama.cpp's corrections by name."""
    control = ENDS | WITHIN | {name for names in PARTS.values() for name in names}
    by_name = {name: CONTROL for name in control} | dict.fromkeys(SHOWN, USER_DEFINED) | _no_ends(tokens)
    return [by_name.get(token, kind) for token, kind in zip(tokens, types, strict=True)]


def ends_of(tokens: Sequence[str], said: Mapping[str, int | None]) -> frozenset[int]:
    """The tokens after which a model stops.  said: those that the file names ("eos", "eot", "eom", and
    PARTS).
    """
    names = ENDS | {name for part, names in PARTS.items() if said.get(part) is None for name in names}
    names -= _no_ends(tokens).keys()
    named = {number for number in said.values() if number is not None}
    return frozenset(named | {number for number, token in enumerate(tokens) if token in names})


def _no_ends(tokens: Sequence[str]) -> dict[str, int]:
    """Names that end nothing in this vocabulary -> their type."""
    known = {token for token in tokens if token in ENDS}
    return {name: kind for needed, name, kind in NO_ENDS if needed <= known}
