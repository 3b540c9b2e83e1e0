"""llama.cpp itself: the logits and the tokens that it computes, through the C API that xllamacpp's shared
object exports.

The parameter structs are the library's own defaults with a few numbers written into them, at the places where
the defaults show that these numbers are. xllamacpp is pinned; should a newer one lay them out differently,
`_checked` says so instead of running nonsense.
C API: llama.h.
"""

import ctypes
import struct
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

F32, F16, OFF, ON = 0, 1, 0, 1           # of ggml_type and llama_flash_attn_type
#: Field -> (place in bytes, how it is packed, the default that must be found there).
MODEL = {"n_gpu_layers": (16, "i", -1), "vocab_only": (72, "?", False)}
CONTEXT = {"n_ctx": (0, "I", 512), "n_batch": (4, "I", 2048), "n_ubatch": (8, "I", 512),
           "n_seq_max": (12, "I", 1), "n_threads": (28, "i", 4), "n_threads_batch": (32, "i", 4),
           "flash_attn_type": (52, "i", -1), "yarn_ext_factor": (64, "f", -1.0), "type_k": (104, "i", 1),
           "type_v": (108, "i", 1), "offload_kqv": (137, "?", True)}


class Params(ctypes.Structure):
    """More than either struct needs: the rest is not looked at."""

    _fields_ = [("raw", ctypes.c_uint8 * 256)]


class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", ctypes.c_int32), ("token", ctypes.POINTER(ctypes.c_int32)),
                ("embd", ctypes.POINTER(ctypes.c_float)), ("pos", ctypes.POINTER(ctypes.c_int32)),
                ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
                ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
                ("logits", ctypes.POINTER(ctypes.c_int8))]


class LlamaCpp:
    """A model as llama.cpp runs it, keys and values in float32. Use it in a `with` block.

    settings: other numbers of CONTEXT, such as n_ubatch=1, flash_attn_type=ON or type_k=F16.
    """

    def __init__(self, path, n_ctx: int = 512, vocab_only: bool = False, **settings):
        self.lib, self.context, self.n = library(), None, 0
        params = _checked(self.lib.llama_model_default_params(), MODEL, n_gpu_layers=0, vocab_only=vocab_only)
        self.model = self.lib.llama_model_load_from_file(str(path).encode(), params)
        assert self.model, f"llama.cpp does not load {path}"
        self.vocab = self.lib.llama_model_get_vocab(self.model)
        self.n_vocab = self.lib.llama_vocab_n_tokens(self.vocab)
        if not vocab_only:
            usual = dict(n_ctx=n_ctx, n_batch=n_ctx, n_threads=1, n_threads_batch=1, flash_attn_type=OFF,
                         type_k=F32, type_v=F32)
            params = _checked(self.lib.llama_context_default_params(), CONTEXT, **usual | settings)
            self.context = self.lib.llama_init_from_model(self.model, params)
            assert self.context, f"llama.cpp makes no context of {n_ctx} for {path}"

    def forward(self, tokens) -> np.ndarray:
        """(T, n_vocab) logits of T more tokens."""
        batch = self.lib.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = int(token), self.n + i, 1, 1
            batch.seq_id[i][0] = 0
        status = self.lib.llama_decode(self.context, batch)
        self.lib.llama_batch_free(batch)
        assert status == 0, f"llama_decode ended with {status}"
        self.n += len(tokens)
        logits = self.lib.llama_get_logits(self.context)
        return np.ctypeslib.as_array(logits, (len(tokens), self.n_vocab)).copy()

    def logits(self, tokens) -> np.ndarray:
        """(T, n_vocab) logits in a fresh context."""
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)
        self.n = 0
        return self.forward(tokens)

    def greedy(self, tokens, n: int) -> list[int]:
        """The n best tokens, one after the other."""
        chosen = [int(self.logits(tokens)[-1].argmax())]
        while len(chosen) < n:
            chosen.append(int(self.forward(chosen[-1:])[-1].argmax()))
        return chosen

    def tokenize(self, text: str, special: bool) -> list[int]:
        """llama_tokenize without BOS; special: parse_special."""
        raw = text.encode()
        room = (ctypes.c_int32 * (2 * len(raw) + 8))()
        n = self.lib.llama_tokenize(self.vocab, raw, len(raw), room, len(room), False, special)
        assert n >= 0
        return list(room[:n])

    def piece(self, token: int) -> bytes:
        """llama_token_to_piece, special tokens as they are spelled."""
        room = ctypes.create_string_buffer(1024)
        n = self.lib.llama_token_to_piece(self.vocab, token, room, len(room), 0, True)
        return room.raw[:n]

    def fact(self, name: str) -> int:
        """`llama_vocab_bos` and its like."""
        return getattr(self.lib, f"llama_vocab_{name}")(self.vocab)

    def ends(self) -> set[int]:
        return {token for token in range(self.n_vocab) if self.lib.llama_vocab_is_eog(self.vocab, token)}

    def __enter__(self) -> "LlamaCpp":
        return self

    def __exit__(self, *_error) -> None:
        if self.context:
            self.lib.llama_free(self.context)
        self.lib.llama_model_free(self.model)


def _checked(params: Params, fields: dict, **new) -> Params:
    """The defaults with `new` numbers in them."""
    for name, (place, code, default) in fields.items():
        (found,) = struct.unpack_from(code, params.raw, place)
        assert found == default, f"this xllamacpp has {found} where {name} = {default} was: another llama.h"
    for name, value in new.items():
        struct.pack_into(fields[name][1], params.raw, fields[name][0], value)
    return params


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def _silence(_level, _text, _data):
    """llama.cpp tells a lot while it loads."""


@cache
def library() -> ctypes.CDLL:
    """xllamacpp's shared object with its signatures. Skips, in words, where it is not installed."""
    found = find_spec("xllamacpp")
    if found is None:
        pytest.skip("xllamacpp is not installed (the extra `oracles`, Linux x86_64 only)")
    lib = ctypes.CDLL(str(next(Path(found.submodule_search_locations[0]).glob("xllamacpp*.so"))))
    pointer, integer, text = ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p
    signatures = {
        "llama_log_set": (None, [pointer, pointer]), "llama_backend_init": (None, []),
        "llama_model_default_params": (Params, []), "llama_context_default_params": (Params, []),
        "llama_model_load_from_file": (pointer, [text, Params]),
        "llama_init_from_model": (pointer, [pointer, Params]),
        "llama_model_free": (None, [pointer]), "llama_free": (None, [pointer]),
        "llama_model_get_vocab": (pointer, [pointer]),
        "llama_get_memory": (pointer, [pointer]), "llama_memory_clear": (None, [pointer, ctypes.c_bool]),
        "llama_batch_init": (Batch, [integer] * 3), "llama_batch_free": (None, [Batch]),
        "llama_decode": (integer, [pointer, Batch]),
        "llama_get_logits": (ctypes.POINTER(ctypes.c_float), [pointer]),
        "llama_vocab_n_tokens": (integer, [pointer]),
        "llama_tokenize": (integer, [pointer, text, integer, ctypes.POINTER(integer), integer, ctypes.c_bool,
                                     ctypes.c_bool]),
        "llama_token_to_piece": (integer, [pointer, integer, text, integer, integer, ctypes.c_bool]),
        "llama_vocab_is_eog": (ctypes.c_bool, [pointer, integer]),
        "llama_vocab_get_add_bos": (ctypes.c_bool, [pointer]),
        "llama_vocab_bos": (integer, [pointer]), "llama_vocab_eos": (integer, [pointer])}
    for name, (result, arguments) in signatures.items():
        getattr(lib, name).restype, getattr(lib, name).argtypes = result, arguments
    lib.llama_log_set(ctypes.cast(_silence, pointer), None)
    lib.llama_backend_init()
    return lib
