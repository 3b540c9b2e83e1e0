"""What each token stands for in bytes, and the rules by which a text is cut before it is encoded.

A byte-level vocabulary (GPT-2's idea) writes each byte as a printable character, so that a token is an ordinary word in a file. A
SentencePiece vocabulary writes spaces as ▁ and rare bytes as <0xE2>.  Sources: GPT-2's encoder.py; llama.cpp's llama-vocab.cpp (the
same names of the rules) and unicode.cpp.
"""

import re

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
#: Character -> byte: those that can be printed stand for themselves, the 68 others for the characters from 256 on.
BYTES = {chr(byte): byte for byte in _PRINTABLE} | {chr(256 + i): byte for i, byte in enumerate(_OTHERS)}
SPACE = "▁"

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
#: `tokenizer.ggml.pre` -> the patterns that cut a text, one after the other. Nothing is merged across a cut.
CUTS = {"gpt-2": (_GPT2,), "smollm": (r"\p{N}", _GPT2), "llama-bpe": (_LLAMA3,), "qwen2": (_LLAMA3.replace("{1,3}", ""),)}
#: Other names for the same rules, as llama.cpp has them.
ALIASES = {"llama3": "llama-bpe", "llama-v3": "llama-bpe", "falcon3": "llama-bpe", "starcoder": "smollm", "refact": "smollm",
           "command-r": "smollm", "deepseek-r1-qwen": "qwen2"}
#: Under these rules a whole word that is in the vocabulary is taken before any merging, and a text begins with BOS.
WHOLE_WORDS = {"llama-bpe"}


def byte_level(token: str) -> bytes:
    """The bytes of a token of a byte-level vocabulary; a character that stands for no byte stands for itself."""
    return b"".join(bytes([BYTES[char]]) if char in BYTES else char.encode() for char in token)


def sentence_piece(token: str) -> bytes:
    """The bytes of a token of a SentencePiece vocabulary."""
    if byte := re.fullmatch(r"<0x([0-9A-Fa-f]{2})>", token):
        return bytes.fromhex(byte[1])
    return token.replace(SPACE, " ").encode()
