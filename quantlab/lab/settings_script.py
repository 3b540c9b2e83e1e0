"""Settings of a picture as commands for a terminal: the server's environment, a Modelfile, a model of both.

One script for each way in which Ollama is run. Those of a service and of the app change the server that is
installed; the others start one, so a running server has to be stopped first: it keeps its old settings.
"""

from collections.abc import Callable

from .names import own_name
from .versions import says

READY = "until ollama list > /dev/null 2>&1; do sleep 1; done\n"


def fitted_name(base: str) -> str:
    """The name of the made model: "llama3.1-8b-fit"."""
    return f"{own_name(base)}-fit"


def as_script(base: str, num_ctx: int, kv_type: str, flash_attention: bool, n_parallel: int, note: str = "",
              where: str = "bash", n_cpu_moe: int = 0) -> str:
    """The commands that make the model `fitted_name(base)` and give the server its settings.

    kv_type: "f16", "q8_0" or "q4_0".  note: a comment in the Modelfile.  where: one of PLACES, or SERVER for
    llama.cpp's own.  n_cpu_moe: first layers whose experts stay in main memory; Ollama hands that to the
    server it starts, for every model.  ValueError for settings with which no model would load.
    """
    check_cache(kv_type, flash_attention)
    note = " ".join(note.split())
    if where == SERVER:
        return _llama_server(num_ctx * n_parallel, kv_type, flash_attention, n_parallel, note, n_cpu_moe)
    environment = {"OLLAMA_FLASH_ATTENTION": str(int(flash_attention)), "OLLAMA_KV_CACHE_TYPE": kv_type,
                   "OLLAMA_NUM_PARALLEL": str(n_parallel)}
    environment |= {"LLAMA_ARG_N_CPU_MOE": str(n_cpu_moe)} if n_cpu_moe else {}
    note = f"{note}; LLAMA_ARG_N_CPU_MOE is for every model of this server" if n_cpu_moe else note
    comment = f"# {note}\n" if note else ""
    modelfile = f"{comment}FROM {base}\nPARAMETER num_ctx {num_ctx}\n"
    return PLACES[where](environment, modelfile, f"ollama create {fitted_name(base)} -f Modelfile\n")


def check_cache(kv_type: str, flash_attention: bool) -> None:
    """ValueError for a KV cache of few bits without flash attention, with what Ollama does then."""
    if kv_type != "f16" and not flash_attention:
        raise ValueError(f"{says('kv_without_flash')} Take flash attention with {kv_type}, or f16 without "
                         "it.")


def _llama_server(n_ctx: int, kv_type: str, flash_attention: bool, n_parallel: int, note: str,
                  n_cpu_moe: int) -> str:
    """One command.  n_ctx: tokens of all conversations together, as llama-server counts."""
    flags = [f"--ctx-size {n_ctx}", f"--parallel {n_parallel}",
             f"--flash-attn {'on' if flash_attention else 'off'}",
             f"--cache-type-k {kv_type} --cache-type-v {kv_type}",
             *[f"--n-cpu-moe {n_cpu_moe}"] * bool(n_cpu_moe)]
    command = " \\\n  ".join(["llama-server --model FILE.gguf", *flags])
    return f"# FILE.gguf: {note or 'your file'}\n{command}\n"


def _bash(environment: dict[str, str], modelfile: str, create: str) -> str:
    given = " ".join(f"{name}={value}" for name, value in environment.items())
    return f"{given} ollama serve &\n{READY}{_written(modelfile)}{create}"


def _power_shell(environment: dict[str, str], modelfile: str, create: str) -> str:
    given = "\n".join(f'$env:{name} = "{value}"' for name, value in environment.items())
    return (f"{given}\nStart-Process ollama serve -WindowStyle Hidden\n"
            "do { Start-Sleep 1; ollama list *> $null } until ($LASTEXITCODE -eq 0)\n"
            f"@'\n{modelfile}'@ | Set-Content Modelfile -Encoding ascii\n{create}")


def _systemd(environment: dict[str, str], modelfile: str, create: str) -> str:
    given = "".join(f'Environment="{name}={value}"\n' for name, value in environment.items())
    folder = "/etc/systemd/system/ollama.service.d"
    return (f"sudo mkdir -p {folder}\nsudo tee {folder}/quantlab.conf <<'END'\n[Service]\n{given}END\n"
            "sudo systemctl daemon-reload && sudo systemctl restart ollama\n"
            f"{READY}{_written(modelfile)}{create}")


def _mac_app(environment: dict[str, str], modelfile: str, create: str) -> str:
    given = "".join(f"launchctl setenv {name} {value}\n" for name, value in environment.items())
    return (f"{given}osascript -e 'quit app \"Ollama\"' && sleep 2 && open -a Ollama\n{READY}"
            f"{_written(modelfile)}{create}")


def _written(modelfile: str) -> str:
    return f"cat > Modelfile <<'END'\n{modelfile}END\n"


#: Where llama.cpp's own server is started.
SERVER = "llama-server"
#: How Ollama is run -> the script for it.
PLACES: dict[str, Callable[[dict[str, str], str, str], str]] = {
    "bash": _bash, "PowerShell": _power_shell, "Linux service (systemd)": _systemd, "macOS app": _mac_app}
