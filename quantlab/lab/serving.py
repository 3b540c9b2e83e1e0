"""Settings as Ollama takes them: a Modelfile for the context, environment variables for what counts for the
whole server.

    print(as_modelfile("llama3.1:8b", 32768))       print(as_environment("q8_0", True, 2))

Ollama 0.17.4: envconfig/config.go, api/types.go (Options).  Lesson: 06_will_it_fit.
"""


def as_modelfile(base: str, num_ctx: int, note: str = "") -> str:
    """A Modelfile that starts `base` with a context of num_ctx tokens.  note: a comment, one line."""
    comment = [f"# {' '.join(note.split())}"] if note else []
    return "\n".join([*comment, f"FROM {base}", f"PARAMETER num_ctx {num_ctx}", ""])


def environment(kv_type: str, flash_attention: bool, n_parallel: int) -> dict[str, str]:
    """The server's variables.  kv_type: "f16", "q8_0" or "q4_0"; Ollama ignores the last two without flash
    attention.
    """
    return {"OLLAMA_FLASH_ATTENTION": str(int(flash_attention)), "OLLAMA_KV_CACHE_TYPE": kv_type,
            "OLLAMA_NUM_PARALLEL": str(n_parallel)}


def as_environment(kv_type: str, flash_attention: bool, n_parallel: int) -> str:
    """The same as a command line for a terminal (sh); stop a running server first, as it keeps its old
    settings.
    """
    return " ".join(f"{name}={value}" for name,
                    value in environment(kv_type, flash_attention, n_parallel).items()) + " ollama serve"


def as_script(base: str, num_ctx: int, kv_type: str, flash_attention: bool, n_parallel: int,
              note: str = "") -> str:
    """Both in one piece for a terminal (sh): it starts the server, waits for it, and makes the model
    `fitted_name(base)`.
    """
    return (f"{as_environment(kv_type, flash_attention, n_parallel)} &\n"
            "until ollama list > /dev/null 2>&1; do sleep 1; done\n"
            f"cat > Modelfile <<'END'\n{as_modelfile(base, num_ctx, note)}END\n"
            f"ollama create {fitted_name(base)} -f Modelfile\n")


def fitted_name(base: str) -> str:
    """The name of the made model: "llama3.1-8b-fit"."""
    return base.split("/")[-1].replace(":", "-") + "-fit"
