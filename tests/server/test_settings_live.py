"""The settings that the memory bar gives to copy, run as they are by a real Ollama: the model it loads has
them.
"""

import json
import os
import re
import signal
import subprocess
import urllib.request

import pytest

from quantlab.lab.settings_script import as_script, fitted_name
from tests.ollama_fixture import Running, _binary, _environment, _free_port, _wait

BASE = "smollm:135m-instruct-q8_0"


@pytest.mark.server
@pytest.mark.statement("parallel", "server_settings")
def test_the_script_starts_a_server_whose_model_has_the_settings(smollm, tmp_path):
    """As a learner pastes it: the same store, a port of its own."""
    url = f"http://127.0.0.1:{_free_port()}"
    environment = _environment(tmp_path, url) | {"OLLAMA_MODELS": str(smollm.store), "OLLAMA_DEBUG": "1"}
    folder = os.path.dirname(_binary())
    environment["PATH"] = f"{folder}{os.pathsep}{environment['PATH']}"
    with (tmp_path / "serve.log").open("w") as log:
        shell = subprocess.Popen(["sh", "-c", as_script(BASE, 1536, "q8_0", True, 2, "a note") + "wait\n"],
                                 cwd=tmp_path, env=environment, stdout=log, stderr=log,
                                 start_new_session=True)
    server = Running(_binary(), tmp_path, url, shell)
    try:
        _wait(server)
        _until_made(server)
        asked = json.dumps({"model": fitted_name(BASE), "prompt": "Hi", "stream": False,
                            "options": {"num_predict": 2}}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{url}/api/generate", asked),
                                    timeout=120) as reply:
            assert json.load(reply)["done"]
        with urllib.request.urlopen(f"{url}/api/ps", timeout=10) as reply:
            loaded = json.load(reply)["models"][0]
        assert loaded["name"].startswith(fitted_name(BASE)) and loaded["context_length"] == 1536
        assert re.search(r"--cache-type-k q8_0", server.log) and re.search(r"-np 2\b", server.log), server.log
        assert re.search(r"n_ctx\s*= 3072", server.log), server.log[-3000:]
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        shell.wait(20)


def _until_made(server: Running) -> None:
    for _ in range(100):
        with urllib.request.urlopen(f"{server.url}/api/tags", timeout=10) as reply:
            if any(model["name"].startswith(fitted_name(BASE)) for model in json.load(reply)["models"]):
                return
        subprocess.run(["sleep", "0.2"], check=True)
    raise AssertionError(f"the model was not made: {server.log[-3000:]}")
