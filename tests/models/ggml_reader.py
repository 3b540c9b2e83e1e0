"""ggml's own reader of GGUF files (gguf_init_from_file, in xllamacpp's library): what it opens is legal."""

import ctypes

from tests.inference.llama_oracle import library


class Params(ctypes.Structure):
    _fields_ = [("no_alloc", ctypes.c_bool), ("ctx", ctypes.POINTER(ctypes.c_void_p))]


def ggml_opens(path) -> bool:
    """Whether ggml reads the header and all data of the file at `path`.  Skips, in words, where it is not
    installed.
    """
    lib, context = library(), ctypes.c_void_p()
    lib.gguf_init_from_file.argtypes = [ctypes.c_char_p, Params]
    lib.gguf_init_from_file.restype = ctypes.c_void_p
    lib.gguf_free.argtypes = lib.ggml_free.argtypes = [ctypes.c_void_p]
    found = lib.gguf_init_from_file(str(path).encode(), Params(False, ctypes.pointer(context)))
    if not found:
        return False
    lib.gguf_free(found)
    lib.ggml_free(context)
    return True
