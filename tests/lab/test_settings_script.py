"""Settings to copy, for each way to run Ollama: whole, and shell that a shell can read."""

import shutil
import subprocess

import pytest

from quantlab.lab.modelfile import parse_modelfile
from quantlab.lab.settings_script import PLACES, as_script, fitted_name

SETTINGS = {"OLLAMA_FLASH_ATTENTION": "1", "OLLAMA_KV_CACHE_TYPE": "q8_0", "OLLAMA_NUM_PARALLEL": "2"}


@pytest.mark.parametrize("where", PLACES)
def test_each_has_the_settings_the_model_and_a_server_to_wait_for(where):
    script = as_script("llama3.1:8b", 16384, "q8_0", True, 2, "a note", where)
    for name, value in SETTINGS.items():
        assert any(name in line and value in line for line in script.splitlines()), name
    lines = script.splitlines()
    assert lines[-1] == f"ollama create {fitted_name('llama3.1:8b')} -f Modelfile" and "ollama list" in script
    first = lines.index("# a note")
    read = parse_modelfile("\n".join(lines[first : first + 3]))
    assert (read.base, read.parameters) == ("llama3.1:8b", {"num_ctx": 16384})


@pytest.mark.parametrize("kv_type", ["q8_0", "q4_0"])
def test_settings_with_which_no_model_loads_are_refused(kv_type):
    with pytest.raises(ValueError, match=f"no model loads.*{kv_type}"):
        as_script("llama3.1:8b", 16384, kv_type, False, 1)


@pytest.mark.skipif(shutil.which("sh") is None, reason="no sh (Windows)")
@pytest.mark.parametrize("where", [name for name in PLACES if name != "PowerShell"])
def test_a_shell_can_read_it(where):
    script = as_script("llama3.1:8b", 16384, "f16", False, 1, where=where)
    subprocess.run(["sh", "-n"], input=script.encode(), check=True)
