"""A graphics card that is not there: enough of one for llama.cpp to plan its buffers on it. Runs in the
oracle's own process.

llama.cpp asks a device how large a buffer a tensor needs, whether it can do an operation, how much memory it
has; the answers below are those of llama.cpp's CUDA device (ggml-cuda.cu). Nothing is ever allocated or
computed.

The C structures are those of one ggml (ggml-backend-impl.h): `check_layout` holds them against the library's
own processor device before any of them is used, and refuses to go on when they differ.
"""

from mmap import mmap

import cffi

from ..memory.cuda import bytes_on_card, card_computes, is_lent
from ..memory.fusion import fused, may_be_fused
from ..memory.ggml import Tensor
from ..memory.weights import row_filling
from ..models.types import TENSOR_TYPES

LAYOUT = """
typedef struct tensor { int type; void *buffer; int64_t ne[4]; size_t nb[4]; int op; int32_t op_params[16];
  int32_t flags;
  struct tensor *src[10]; struct tensor *view_src; size_t view_offs; void *data; char name[64]; void *extra;
  char padding[8]; } tensor;
typedef struct { int size, n_nodes, n_others; tensor **nodes; } graph;
typedef struct { void (*keep)(void *, tensor *, tensor *); void *user_data; } optimizer;
typedef struct { const char *(*get_name)(void *); void *(*alloc_buffer)(void *, size_t);
  void *(*alloc_buffer_n)(void *, void **, int);
  size_t (*get_alignment)(void *); size_t (*get_max_size)(void *); size_t (*get_alloc_size)(void *, tensor *);
  size_t (*get_alloc_size_n)(void *, void **, int); bool (*is_host)(void *); void *device; void *context;
  } buffer_type;
typedef struct { void *guid; const char *(*get_name)(void *); void (*free)(void *); void *async_calls[5];
  void (*synchronize)(void *); void *plan_calls[4]; int (*graph_compute)(void *, void *);
  void *event_calls[2];
  void (*graph_optimize)(void *, graph *, optimizer *); void *device; void *context; } backend;
typedef struct { const char *(*get_name)(void *); const char *(*get_description)(void *);
  void (*get_memory)(void *, size_t *, size_t *); int (*get_type)(void *); void (*get_props)(void *, void *);
  void *(*init_backend)(void *, const char *); void *(*get_buffer_type)(void *);
  void *(*get_host_buffer_type)(void *);
  void *buffer_from_host_ptr; bool (*supports_op)(void *, tensor *); bool (*supports_buft)(void *, void *);
  bool (*offload_op)(void *, tensor *); void *event_calls[3]; void *reg; void *context; } device;
typedef struct { int api_version; const char *(*get_name)(void *); size_t (*get_device_count)(void *);
  void *(*get_device)(void *, size_t); void *(*get_proc_address)(void *, const char *); void *context;
  } registry;
typedef struct { const char *name; const char *description; size_t memory_free, memory_total; int type;
  const char *device_id;
  bool asynchronous, host_buffer, from_host_ptr, events; bool more[4]; } properties;
void *ggml_backend_cpu_buffer_type(void); void ggml_backend_register(void *);
  void *ggml_backend_cpu_init(void);
void *ggml_backend_cpu_reg(void); void *ggml_backend_reg_dev_get(void *, size_t);
size_t ggml_nbytes(tensor *);
  const char *ggml_op_name(int);
size_t ggml_tensor_overhead(void); void *ggml_backend_cpu_buffer_from_ptr(void *, size_t);
  void *ggml_backend_buffer_get_type(void *);
"""
OBJECT_HEADER = 32              # ggml.c: GGML_OBJECT_SIZE
BACKEND_API_VERSION = 3         # ggml-backend-impl.h: GGML_BACKEND_API_VERSION
GPU_TYPE = 1                    # ggml-backend.h: GGML_BACKEND_DEVICE_TYPE_GPU
N_OPS = 101                     # ggml.h: GGML_OP_COUNT
ALIGNMENT = 128                 # ggml-cuda: ggml_backend_cuda_buffer_type_get_alignment
# ggml-backend-impl.h: ggml_backend_buffer, whose type stands behind its functions
BUFFER_WORDS = 14
# rows from which a card is lent work whose weights lie in main memory (GGML_OP_OFFLOAD_MIN_BATCH)

ffi = cffi.FFI()
ffi.cdef(LAYOUT)


class LayoutError(RuntimeError):
    """The library is not the one whose structures are known here."""


def open_library(path: str):
    """The library at `path`, after its structures have been compared with ours.  Raises LayoutError."""
    library = ffi.dlopen(path)
    check_layout(library)
    return library


def check_layout(library) -> None:
    """Raises LayoutError unless ggml's processor device has the shape that is written above."""
    registry, backend = library.ggml_backend_cpu_reg(), library.ggml_backend_cpu_init()
    device = library.ggml_backend_reg_dev_get(registry, 0)
    kind = ffi.cast("buffer_type *", library.ggml_backend_cpu_buffer_type())
    found = {
        "backend.device": ffi.cast("backend *", backend).device == device,
        "device.reg": ffi.cast("device *", device).reg == registry,
        "registry.api_version": ffi.cast("registry *", registry).api_version == BACKEND_API_VERSION,
        "buffer_type.device": kind.device in (ffi.NULL, device) and bool(kind.is_host(kind)),
        "tensor": library.ggml_tensor_overhead() == OBJECT_HEADER + ffi.sizeof("tensor"),
    }
    wrong = [name for name, right in found.items() if not right]
    if wrong:
        raise LayoutError(
            f"this llama.cpp has another layout of {', '.join(wrong)}: its numbers would be guesses")


class VirtualGPUs:
    """Cards "CUDA0", "CUDA1", ... of so many bytes each, registered with llama.cpp.  Keep the object while
    they are in use.
    """

    def __init__(self, library, memory: list[int]):
        self.library, self.memory = library, memory
        self.kept: list[object] = []            # what C points to
        self.faults: list[BaseException] = []   # raised in an answer to C, which cannot pass them on
        self.names_of_ops = [ffi.string(library.ggml_op_name(number)).decode() for number in range(N_OPS)]
        self.flash = self.names_of_ops.index("FLASH_ATTN_EXT")
        self.devices, self.types = ffi.new("device[]", len(memory)), ffi.new("buffer_type[]", len(memory))
        self.names = [ffi.new("char[]", f"CUDA{i}".encode()) for i in range(len(memory))]
        self.host, self.registry = ffi.new("buffer_type *"), ffi.new("registry *")
        self.host_name, self.registry_name = ffi.new("char[]", b"CUDA_Host"), ffi.new("char[]", b"CUDA")
        self.guid = ffi.new("uint8_t[16]", list(range(1, 17)))
        for i in range(len(memory)):
            self._fill_device(i)
        self._fill_host()
        self._fill_registry()
        library.ggml_backend_register(self.registry)

    def _seen(self, tensor, depth: int, known: dict) -> Tensor:
        """A tensor of the library as `memory.ggml` has it.

        depth: of the sources.  known: those that were seen before, by the library's.
        """
        if tensor not in known:
            base = self._seen(tensor.view_src, 0, known) if tensor.view_src else None
            src = [self._seen(one, depth - 1, known) for one in tensor.src if one] if depth else ()
            found = Tensor(self.names_of_ops[tensor.op], tuple(tensor.ne), tuple(src),
                           TENSOR_TYPES[tensor.type], base=base)
            found.place = 0 if tensor.buffer else None
            known[tensor] = found
        return known[tensor]

    def alloc_size(self, tensor) -> int:
        nbytes = self.library.ggml_nbytes(tensor)
        if tensor.op != self.flash:                     # the usual case, asked for some ten thousand times
            return nbytes + row_filling(tensor.ne[0], TENSOR_TYPES[tensor.type])
        return bytes_on_card(self._seen(tensor, 1, {}), nbytes)

    def computes(self, tensor) -> bool:
        return tensor.op != self.flash or card_computes(self._seen(tensor, 1, {}))

    def lends(self, tensor) -> bool:
        return is_lent(Tensor(self.names_of_ops[tensor.op], tuple(tensor.ne)))

    def _keep_for_fusion(self, _backend, graph, place) -> None:
        """Puts a part of a graph in the order of a card, and says what is to be kept."""
        nodes = [graph.nodes[i] for i in range(graph.n_nodes)]
        if not may_be_fused([self.names_of_ops[node.op] for node in nodes]):
            return
        known: dict = {}
        pointers = {self._seen(node, 2, known): node for node in nodes}
        originals = {tensor: pointer for pointer, tensor in known.items()}
        order, found = fused(list(pointers))
        for i, tensor in enumerate(order):
            graph.nodes[i] = pointers[tensor]
        for tensor, until in found:
            place.keep(place.user_data, originals[tensor], graph.nodes[until])     # or the first behind them

    def _call(self, kind: str, function):
        self.kept.append(ffi.callback(kind, function, onerror=lambda _, error, __: self.faults.append(error)))
        return self.kept[-1]

    def _index(self, device) -> int:
        return (int(ffi.cast("uintptr_t", device)) - int(ffi.cast("uintptr_t", self.devices))) // ffi.sizeof(
            "device")

    def _fill_device(self, i: int) -> None:
        device, kind, name, call = self.devices[i], self.types[i], self.names[i], self._call
        own = ffi.cast("void *", self.types + i)
        kind.get_name = device.get_name = device.get_description = call(
            "const char *(void *)", lambda _: name
        )
        kind.alloc_buffer = call("void *(void *, size_t)", lambda _, nbytes: self._lend(own, nbytes))
        kind.get_alignment = call("size_t(void *)", lambda _: ALIGNMENT)
        kind.get_alloc_size = call("size_t(void *, tensor *)", lambda _, tensor: self.alloc_size(tensor))
        kind.device, device.reg = ffi.cast("void *", self.devices + i), ffi.cast("void *", self.registry)
        device.get_memory = call("void(void *, size_t *, size_t *)", self._tell_memory)
        device.get_type = call("int(void *)", lambda _: GPU_TYPE)
        device.get_props = call("void(void *, void *)", self._tell_properties)
        device.init_backend = call("void *(void *, const char *)", self._new_backend)
        device.get_buffer_type = call("void *(void *)", lambda _: own)
        device.get_host_buffer_type = call("void *(void *)", lambda _: ffi.cast("void *", self.host))
        device.supports_op = call("bool(void *, tensor *)", lambda _, tensor: self.computes(tensor))
        device.supports_buft = call("bool(void *, void *)", lambda _, other: other == own)
        device.offload_op = call("bool(void *, tensor *)", lambda _, tensor: self.lends(tensor))

    def _lend(self, own, nbytes: int):
        """A buffer in main memory under a card's name. The states of recurrent models are allocated even when
        nothing else is.
        """
        # whole pages, so it begins where a card's memory might
        memory = ffi.from_buffer(mmap(-1, max(nbytes, 1)))
        self.kept.append(memory)
        buffer = self.library.ggml_backend_cpu_buffer_from_ptr(memory, nbytes)
        plain = self.library.ggml_backend_buffer_get_type(buffer)
        words = ffi.cast("void **", buffer)
        places = [i for i in range(BUFFER_WORDS) if words[i] == plain]
        if len(places) == 1:                # else it keeps its own name, and counts as main memory
            words[places[0]] = own
        return buffer

    def _tell_memory(self, device, free, total) -> None:
        free[0] = total[0] = self.memory[self._index(device)]

    def _tell_properties(self, device, place) -> None:
        place, i = ffi.cast("properties *", place), self._index(device)
        ffi.memmove(place, bytes(ffi.sizeof("properties")), ffi.sizeof("properties"))
        place.name = place.description = self.names[i]
        place.memory_free = place.memory_total = self.memory[i]
        place.type, place.asynchronous, place.host_buffer, place.events = GPU_TYPE, True, True, True

    def _new_backend(self, device, _parameters):
        backend = ffi.new("backend *")
        self.kept.append(backend)
        name = self.names[self._index(device)]
        backend.guid, backend.device = ffi.cast("void *", self.guid), device
        backend.get_name = self._call("const char *(void *)", lambda _: name)
        backend.free = backend.synchronize = self._call("void(void *)", lambda _: None)
        backend.graph_compute = self._call("int(void *, void *)", lambda *_: 0)
        backend.graph_optimize = self._call("void(void *, graph *, optimizer *)", self._keep_for_fusion)
        return ffi.cast("void *", backend)

    def _fill_host(self) -> None:
        self.host[0] = ffi.cast("buffer_type *", self.library.ggml_backend_cpu_buffer_type())[0]
        self.host.get_name = self._call("const char *(void *)", lambda _: self.host_name)
        self.host.device = ffi.cast("void *", self.devices)

    def _fill_registry(self) -> None:
        registry = self.registry
        registry.api_version = BACKEND_API_VERSION
        registry.get_name = self._call("const char *(void *)", lambda _: self.registry_name)
        registry.get_device_count = self._call("size_t(void *)", lambda _: len(self.memory))
        registry.get_device = self._call("void *(void *, size_t)", lambda _,
                                         i: ffi.cast("void *", self.devices + i))
        registry.get_proc_address = self._call("void *(void *, const char *)", lambda *_: ffi.NULL)
