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

from .fusion import kept

LAYOUT = """
typedef struct { const char *(*get_name)(void *); void *(*alloc_buffer)(void *, size_t);
  void *(*alloc_buffer_n)(void *, void **, int);
  size_t (*get_alignment)(void *); size_t (*get_max_size)(void *); size_t (*get_alloc_size)(void *, void *);
  size_t (*get_alloc_size_n)(void *, void **, int); bool (*is_host)(void *); void *device; void *context;
  } buffer_type;
typedef struct { void *guid; const char *(*get_name)(void *); void (*free)(void *); void *async_calls[5];
  void (*synchronize)(void *); void *plan_calls[4]; int (*graph_compute)(void *, void *);
  void *event_calls[2];
  void *graph_optimize; void *device; void *context; } backend;
typedef struct { const char *(*get_name)(void *); const char *(*get_description)(void *);
  void (*get_memory)(void *, size_t *, size_t *); int (*get_type)(void *); void (*get_props)(void *, void *);
  void *(*init_backend)(void *, const char *); void *(*get_buffer_type)(void *);
  void *(*get_host_buffer_type)(void *);
  void *buffer_from_host_ptr; bool (*supports_op)(void *, void *); bool (*supports_buft)(void *, void *);
  bool (*offload_op)(void *, void *); void *event_calls[3]; void *reg; void *context; } device;
typedef struct { int api_version; const char *(*get_name)(void *); size_t (*get_device_count)(void *);
  void *(*get_device)(void *, size_t); void *(*get_proc_address)(void *, const char *); void *context;
  } registry;
typedef struct { const char *name; const char *description; size_t memory_free, memory_total; int type;
  const char *device_id;
  bool asynchronous, host_buffer, from_host_ptr, events; bool more[4]; } properties;
typedef struct { int type; void *buffer; int64_t ne[4]; size_t nb[4]; int op; int32_t op_params[16];
  int32_t flags;
  void *src[10]; void *view_src; size_t view_offs; void *data; char name[64]; void *extra; char padding[8];
  } tensor;
void *ggml_backend_cpu_buffer_type(void); void ggml_backend_register(void *);
  void *ggml_backend_cpu_init(void);
void *ggml_backend_cpu_reg(void); void *ggml_backend_reg_dev_get(void *, size_t);
size_t ggml_nbytes(void *); bool ggml_is_quantized(int); size_t ggml_row_size(int, int64_t);
  const char *ggml_op_name(int);
typedef struct { int size, n_nodes, n_others; void **nodes; } graph;
typedef struct { void (*keep)(void *, void *, void *); void *user_data; } optimizer;
size_t ggml_tensor_overhead(void); void *ggml_backend_cpu_buffer_from_ptr(void *, size_t);
  void *ggml_backend_buffer_get_type(void *);
"""
OBJECT_HEADER = 32              # ggml.c: GGML_OBJECT_SIZE
BACKEND_API_VERSION = 3         # ggml-backend-impl.h: GGML_BACKEND_API_VERSION
GPU_TYPE, F16 = 1, 1            # ggml-backend.h: GGML_BACKEND_DEVICE_TYPE_GPU; ggml.h: GGML_TYPE_F16
#: ggml.h, by number: the types of CUDA's flash attention (ggml_cuda_fattn_kv_type_supported: f32, f16,
#: q4_0, q4_1, q5_0, q5_1, q8_0, bf16), and those of them that its usual build reads as they are, for keys and
#: values of one type (GGML_CUDA_FA_QUANTS: f16, q4_0, q8_0, bf16).
FLASH_TYPES, READ_AS_THEY_ARE = {0, 1, 2, 3, 6, 7, 8, 30}, {1, 2, 8, 30}
ROW_PADDING = 512               # ggml-cuda: MATRIX_ROW_PADDING
ALIGNMENT = 128                 # ggml-cuda: ggml_backend_cuda_buffer_type_get_alignment
# ggml-backend-impl.h: ggml_backend_buffer, whose type stands behind its functions
BUFFER_WORDS = 14
# rows from which a card is lent work whose weights lie in main memory (GGML_OP_OFFLOAD_MIN_BATCH)
OFFLOAD_FROM = 32

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
        self.op = {ffi.string(library.ggml_op_name(number)).decode(): number for number in range(90)}
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

    def alloc_size(self, tensor) -> int:
        """Bytes a tensor takes on a card (ggml_backend_cuda_buffer_type_get_alloc_size).

        Rows of quantized weights are filled up to 512; flash attention keeps 16-bit copies of a cache of
        another type behind its result.
        """
        tensor = ffi.cast("tensor *", tensor)
        nbytes = self.library.ggml_nbytes(tensor)
        if tensor.op == self.op["FLASH_ATTN_EXT"]:
            for copied in self._copied(*(ffi.cast("tensor *", tensor.src[i]) for i in range(3))):
                count = copied.ne[0] * copied.ne[1] * copied.ne[2] * copied.ne[3]
                nbytes = -(-nbytes // ALIGNMENT) * ALIGNMENT + 2 * count
        if self.library.ggml_is_quantized(tensor.type) and tensor.ne[0] % ROW_PADDING:
            nbytes += self.library.ggml_row_size(tensor.type, ROW_PADDING - tensor.ne[0] % ROW_PADDING)
        return nbytes

    def computes(self, tensor) -> bool:
        """Everything but flash attention of some heads and types (ggml_cuda_get_best_fattn_kernel). DeepSeek
        in files made before April 2025 has such heads: keys longer than values, each head with its own.
        """
        tensor = ffi.cast("tensor *", tensor)
        if tensor.op != self.op["FLASH_ATTN_EXT"]:
            return True
        q, k, v = (ffi.cast("tensor *", tensor.src[i]) for i in range(3))
        shared = q.ne[2] // k.ne[2]                     # heads that look at one key
        heads = {(192, 128): shared % 8 == 0, (320, 256): shared % 32 == 0, (512, 512): shared > 1,
                 (576, 512): shared > 1} | {(n, n): True for n in (40, 64, 72, 80, 96, 112, 128, 256)}
        return heads.get((k.ne[0], v.ne[0]), False) and {k.type, v.type} <= FLASH_TYPES

    def _copied(self, q, k, v) -> list:
        """Which of K and V are converted. Of a few tokens' attention they are read as they are; V that is a
        part of K (DeepSeek's latent cache) is not converted twice.
        """
        head, shared, n_tokens = q.ne[0], q.ne[2] // k.ne[2], q.ne[1]
        if self.library.ggml_is_quantized(k.type) or self.library.ggml_is_quantized(v.type):
            few = n_tokens <= 2                         # on cards since Ada; before, one
        else:
            few = n_tokens == 1 and (shared == 1 or (q.ne[3] == 1 and not (
                shared > 4 and (head >= 256 or k.ne[1] >= 8192))))
        if few and head in (64, 128, 256) and k.type == v.type and k.type in READ_AS_THEY_ARE:
            return []
        part = v.view_src != ffi.NULL and (v.view_src == ffi.cast("void *", k)
                                           or (v.view_src == k.view_src and v.view_offs == k.view_offs))
        return [one for one, again in ((k, False), (v, part)) if one.type != F16 and not again]

    def is_lent(self, tensor) -> bool:
        """Whether a card computes with weights that lie in main memory: for many rows at a time (offload_op).
        """
        tensor = ffi.cast("tensor *", tensor)
        op, ne = tensor.op, tensor.ne
        if op == self.op["GET_ROWS"]:
            return False
        if op == self.op["MUL_MAT"]:
            return ne[1] >= OFFLOAD_FROM
        if op in (self.op["MUL_MAT_ID"], self.op["ROPE"], self.op["ROPE_BACK"]):
            return ne[2] >= OFFLOAD_FROM
        return ne[1] * ne[2] * ne[3] >= OFFLOAD_FROM

    def _call(self, kind: str, function):
        self.kept.append(ffi.callback(kind, function))
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
        kind.get_alloc_size = call("size_t(void *, void *)", lambda _, tensor: self.alloc_size(tensor))
        kind.device, device.reg = ffi.cast("void *", self.devices + i), ffi.cast("void *", self.registry)
        device.get_memory = call("void(void *, size_t *, size_t *)", self._tell_memory)
        device.get_type = call("int(void *)", lambda _: GPU_TYPE)
        device.get_props = call("void(void *, void *)", self._tell_properties)
        device.init_backend = call("void *(void *, const char *)", self._new_backend)
        device.get_buffer_type = call("void *(void *)", lambda _: own)
        device.get_host_buffer_type = call("void *(void *)", lambda _: ffi.cast("void *", self.host))
        device.supports_op = call("bool(void *, void *)", lambda _, tensor: self.computes(tensor))
        device.supports_buft = call("bool(void *, void *)", lambda _, other: other == own)
        device.offload_op = call("bool(void *, void *)", lambda _, tensor: self.is_lent(tensor))

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
        backend.graph_optimize = self._call("void(void *, void *, void *)", self._keep_for_fusion)
        return ffi.cast("void *", backend)

    def _keep_for_fusion(self, _backend, graph, place) -> None:
        graph, place = ffi.cast("graph *", graph), ffi.cast("optimizer *", place)
        nodes = [ffi.cast("tensor *", graph.nodes[i]) for i in range(graph.n_nodes)]
        for tensor, until in kept(nodes, self.op):
            place.keep(place.user_data, tensor, graph.nodes[until])     # or the first that comes after them

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
