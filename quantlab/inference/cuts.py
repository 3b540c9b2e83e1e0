"""Where a byte-level vocabulary cuts a text before anything is merged, by the rule's name in the file;
nothing is merged across a cut.

    CUTS[ALIASES.get("llama3", "llama3")]

Source: llama.cpp's llama-vocab.cpp, whose names these are (llm_tokenizer_bpe, and `tokenizer_pre` in load).
It has no upper and lower case beyond a to z there, so a letter of another script is both.
"""

_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = rf"{_ENDINGS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_REST}"
_UPPER, _LOWER = r"(?:(?=\p{L})[^a-z])", r"(?:(?=\p{L})[^A-Z])"


def _by_case(endings: str, digits: str) -> str:
    """Words with capital letters first, then small ones: "HTTPServer" is "HTTPS", "erver" at worst."""
    before = r"[^\r\n\p{L}\p{N}]?"
    return (rf"{before}{_UPPER}*{_LOWER}+{endings}|{before}{_UPPER}+{_LOWER}*{endings}|{digits}"
            rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_REST}")


#: `tokenizer.ggml.pre` -> the patterns that cut a text, one after the other.
CUTS = {"gpt-2": (_GPT2,), "smollm": (r"\p{N}", _GPT2), "llama-bpe": (_LLAMA3,), "dbrx": (_LLAMA3,),
        "qwen2": (_LLAMA3.replace("{1,3}", ""),),
        "gpt-4o": (_by_case(f"{_ENDINGS}?", r"\p{N}{1,3}"),), "tekken": (_by_case("", r"\p{N}"),),
        "default": (r"[\p{P}$+<=>^~|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")}
#: Other names for the same rules.
ALIASES = {"llama3": "llama-bpe", "llama-v3": "llama-bpe", "falcon3": "llama-bpe", "falcon-h1": "llama-bpe",
           "pixtral": "llama-bpe", "midm-2.0": "llama-bpe", "lfm2": "llama-bpe", "smaug-bpe": "dbrx",
           "glm4": "dbrx", "chatglm-bpe": "dbrx", "starcoder": "smollm", "refact": "smollm",
           "command-r": "smollm", "codeshell": "smollm", "exaone": "smollm", "minerva-7b": "smollm",
           "phi-2": "gpt-2", "mpt": "gpt-2", "olmo": "gpt-2", "jais": "gpt-2", "trillion": "gpt-2",
           "exaone4": "gpt-2", "granite-docling": "gpt-2", "deepseek-r1-qwen": "qwen2", "stablelm2": "qwen2",
           "megrez": "qwen2", "hunyuan": "qwen2", "grok-2": "qwen2", "llama4": "gpt-4o"}
#: Under these rules a whole word of the vocabulary is taken before any merging, and a text begins with BOS.
WHOLE_WORDS = {"llama-bpe", "tekken"}
