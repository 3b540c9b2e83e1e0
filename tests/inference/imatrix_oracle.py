"""What llama.cpp itself multiplies its matrices with: its scheduler shows every operation to a callback, as
to the tool `llama-imatrix`.

The struct of a tensor is read at the places where ggml.h has it; names and sizes that make no sense fail at
once.  C API: llama.h (cb_eval), ggml-backend.h (ggml_backend_sched_eval_callback), ggml.h (struct
ggml_tensor).
"""

import ctypes

import numpy as np

from tests.inference.llama_oracle import CONTEXT, F32, OFF, LlamaCpp, _checked

Callback = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_bool, ctypes.c_void_p)
CB_EVAL = {"cb_eval": (88, "Q", 0)}


class Tensor(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("buffer", ctypes.c_void_p), ("ne", ctypes.c_int64 * 4),
                ("nb", ctypes.c_size_t * 4), ("op", ctypes.c_int32), ("op_params", ctypes.c_int32 * 16),
                ("flags", ctypes.c_int32), ("src", ctypes.c_void_p * 10), ("view_src", ctypes.c_void_p),
                ("view_offs", ctypes.c_size_t), ("data", ctypes.c_void_p), ("name", ctypes.c_char * 64)]


class Watched(LlamaCpp):
    """Collects the squares of the inputs of each matrix of the layers: `sums[name]` (experts, columns)
    float64, `counts[name]` (experts,); one row for a matrix without experts.
    """

    def __init__(self, path, n_ctx: int):
        super().__init__(path, n_ctx)
        self.sums: dict[str, np.ndarray] = {}
        self.counts: dict[str, int] = {}
        self.lib.llama_free(self.context)
        self._callback = Callback(self._look)                 # kept: C holds only its address
        address = ctypes.cast(self._callback, ctypes.c_void_p).value
        params = _checked(self.lib.llama_context_default_params(), CONTEXT | CB_EVAL, n_ctx=n_ctx,
                          n_batch=n_ctx, n_threads=2, n_threads_batch=2, flash_attn_type=OFF, type_k=F32,
                          type_v=F32, cb_eval=address)
        self.context = self.lib.llama_init_from_model(self.model, params)

    def _look(self, address, ask, _data) -> bool:
        """Asked first whether this operation is wanted (the others run undisturbed), then shown it with its
        numbers.
        """
        tensor = Tensor.from_address(address)
        if not tensor.src[0] or not tensor.src[1]:
            return False
        matrix, x = Tensor.from_address(tensor.src[0]), Tensor.from_address(tensor.src[1])
        name = matrix.name.decode()
        wanted = name.startswith("blk.") and name.endswith(".weight") and matrix.ne[1] > 1
        if ask or not wanted:
            return wanted
        n, rows, stacked = x.ne[0], x.ne[1], x.ne[2]
        assert x.type == F32 and 0 < n == matrix.ne[0] < 1 << 20 and x.nb[0] == 4 and x.nb[1] == 4 * n, name
        assert x.nb[2] == 4 * n * rows and 0 < rows * stacked < 1 << 20, name
        values = np.ctypeslib.as_array(ctypes.cast(x.data, ctypes.POINTER(ctypes.c_float)),
                                       (stacked, rows, n)).astype(np.float64) ** 2
        experts = int(matrix.ne[2])
        sums, counts = np.zeros((experts, n)), np.zeros(experts, int)
        for token, used in enumerate(self._experts(tensor) if tensor.src[2] else [None] * stacked):
            for rank, expert in enumerate([0] * rows if used is None else used):
                sums[expert] += values[token, rank % rows]
                counts[expert] += 1
        self.sums[name] = self.sums.get(name, 0) + sums
        self.counts[name] = self.counts.get(name, 0) + counts
        return True

    def _experts(self, tensor: Tensor) -> list[list[int]]:
        """Which experts get each token (GGML_OP_MUL_MAT_ID)."""
        ids = Tensor.from_address(tensor.src[2])
        assert ids.ne[0] <= 64 and ids.nb[0] == 4
        return [list((ctypes.c_int32 * ids.ne[0]).from_address(ids.data + token * ids.nb[1]))
                for token in range(ids.ne[1])]
