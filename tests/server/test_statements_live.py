"""Statements about Ollama that a computer without a card can check, on the real server; some are checked
beside what they are about. The last lines of the suite list all with their versions (tests/statements.py).
"""

import json
import re
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from quantlab.lab.custom import create_custom_model
from quantlab.lab.measure import REPEATED
from quantlab.lab.modelfile import ModelfileError
from quantlab.lab.server import LabError, Server
from quantlab.lab.versions import CHECKED
from quantlab.memory.settings import ollama_batch, ollama_context
from quantlab.models.plan import NEED_IMATRIX
from quantlab.models.recipe_rules import PROGRAMS
from quantlab.models.recipes import recipe
from quantlab.models.source import BUNDLED
from quantlab.models.writer import quantize_model
from tests.ollama_fixture import Running, start, stop

pytestmark = pytest.mark.server
MODEL = "smollm:135m-instruct-q8_0"
GREEDY = {"temperature": 0, "seed": 1, "num_thread": 1}


def post(server: Running, path: str, **body) -> tuple[int, dict]:
    """(status, the answer) of one request that is not streamed."""
    request = urllib.request.Request(f"{server.url}{path}", json.dumps({"stream": False, **body}).encode())
    try:
        with urllib.request.urlopen(request, timeout=180) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def ask(server: Running, prompt: str = "Hi", model: str = MODEL, **options) -> dict:
    status, answer = post(server, "/api/generate", model=model, prompt=prompt,
                          options={**GREEDY, "num_predict": 1, **options})
    assert status == 200, (answer, server.log[-3000:])
    return answer


def context(server: Running, **options) -> int:
    """What /api/ps says of the model's context; which may list the file under another name."""
    ask(server, **options)
    digest = Server(server.url).installed([MODEL])[MODEL]["digest"]
    with urllib.request.urlopen(f"{server.url}/api/ps", timeout=10) as reply:
        model, = (model for model in json.load(reply)["models"] if model["digest"] == digest)
    return model["context_length"]


def runner(server: Running) -> list[str]:
    """The words of the last command that started llama-server, from the server's log."""
    command = re.findall(r'msg="starting llama-server" cmd="([^"]*)"', server.log)[-1]
    return command.split()


def argument(server: Running, name: str) -> str:
    words = runner(server)
    return words[words.index(name) + 1]


def created(server: Running, name: str, modelfile: str) -> str:
    """`ollama create` through its own command line tool; returns what `ollama show --modelfile` prints."""
    path = server.home / f"Modelfile-{name}"
    path.write_text(modelfile)
    server.cli("create", name, "-f", str(path))
    return server.cli("show", name, "--modelfile")


@contextmanager
def another(server: Running, home: Path, **settings: str):
    """A second server over the same store, with other settings."""
    other = start(server.binary, home, server.store, **settings)
    try:
        yield other
    finally:
        stop(other.process)


def test_the_server_is_of_the_version_whose_statements_are_checked(smollm):
    assert Server(smollm.url).version() == CHECKED


@pytest.mark.statement("engine")
def test_a_gguf_file_runs_in_llama_server(smollm):
    ask(smollm)
    words = runner(smollm)
    assert Path(words[0]).name == "llama-server" and "/blobs/sha256-" in argument(smollm, "--model")


@pytest.mark.statement("experts")
def test_llama_cpp_is_left_to_split_and_handed_what_the_environment_says_of_experts(smollm, tmp_path):
    with another(smollm, tmp_path, LLAMA_ARG_N_CPU_MOE="3") as other:
        ask(other)
        started, = (child for child in psutil.Process(other.process.pid).children(recursive=True)
                    if child.name() == "llama-server")
        assert started.environ()["LLAMA_ARG_N_CPU_MOE"] == "3"
        assert not {"-ngl", "--n-gpu-layers", "-fit", "--fit", "--n-cpu-moe"} & set(runner(other))


@pytest.mark.statement("processors")
def test_one_build_of_several_is_taken_for_this_processor(smollm):
    ask(smollm)
    builds = {path.name for path in (Path(smollm.binary).resolve().parent / "lib").rglob("libggml-cpu-*.so")}
    running = [process for process in psutil.Process(smollm.process.pid).children(recursive=True)
               if "llama-server" in process.name()]
    taken = {Path(file.path).name for process in running for file in process.memory_maps()
             if "libggml-cpu-" in file.path}
    assert len(builds) > 5 and len(taken) == 1 and taken < builds


@pytest.mark.statement("context")
def test_the_context_of_somebody_who_says_nothing(smollm):
    line = r'vram-based default context" total_vram="([\d.]+) (\w+)" default_num_ctx=(\d+)'
    vram, unit, tokens = re.findall(line, smollm.log)[-1]
    assert int(tokens) == ollama_context(float(vram) if unit == "GiB" else 0)
    assert context(smollm) == min(int(tokens), 8192)


@pytest.mark.statement("trained_context")
def test_no_more_context_than_the_model_was_trained_for(smollm):
    assert context(smollm, num_ctx=20000) == 8192


@pytest.mark.statement("batch")
def test_how_many_tokens_are_computed_at_a_time(smollm, tmp_path):
    """The tiny Llama, said to be trained for longer texts than it was: its cache is small."""
    was, is_now = (b"llama.context_length" + (4).to_bytes(4, "little") + tokens.to_bytes(4, "little")
                   for tokens in (256, 65536))
    content = BUNDLED["tiny"].read_bytes()
    assert content.count(was) == 1
    long = tmp_path / "long.gguf"
    long.write_bytes(content.replace(was, is_now))
    created(smollm, "long", f"FROM {long}")
    seen = {}
    for n_ctx in (512, 4096, 4352, 32768, 33024):
        ask(smollm, model="long", num_ctx=n_ctx)
        assert argument(smollm, "-c") == str(n_ctx) and argument(smollm, "-b") == argument(smollm, "-ub")
        seen[n_ctx] = int(argument(smollm, "-ub"))
    assert seen == {n_ctx: ollama_batch(n_ctx) for n_ctx in seen}
    ask(smollm, model="long", num_ctx=33024, num_batch=128)
    assert argument(smollm, "-ub") == "128", "one's own num_batch is kept"
    smollm.cli("rm", "long")


@pytest.mark.statement("kv_type")
@pytest.mark.parametrize("kv_type", ["q5_1", "iq4_nl", "q8_0"])
def test_a_type_of_the_cache_goes_to_keys_and_values_alike(smollm, tmp_path, kv_type):
    with another(smollm, tmp_path, OLLAMA_KV_CACHE_TYPE=kv_type) as server:
        ask(server, num_ctx=512)
        assert argument(server, "--cache-type-k") == argument(server, "--cache-type-v") == kv_type
        assert re.search(rf"K \({kv_type}\).*V \({kv_type}\)", server.log), server.log[-3000:]


@pytest.mark.statement("kv_without_flash")
def test_without_flash_attention_a_cache_of_few_bits_loads_no_model(smollm, tmp_path):
    with another(smollm, tmp_path, OLLAMA_KV_CACHE_TYPE="q8_0", OLLAMA_FLASH_ATTENTION="0") as server:
        status, answer = post(server, "/api/generate", model=MODEL, prompt="Hi")
        assert status == 500 and "error" in answer
        assert re.search(r"V cache.*requires flash", server.log), server.log[-3000:]
        with urllib.request.urlopen(f"{server.url}/api/ps", timeout=10) as reply:
            assert json.load(reply)["models"] == []


@pytest.mark.statement("long_prompt")
def test_a_prompt_that_is_too_long_is_cut_to_half_or_refused(smollm):
    prompt = "one two three four five six seven eight nine ten " * 300
    read = ask(smollm, prompt, num_ctx=1024)["prompt_eval_count"]
    assert 512 <= read <= 520
    status, answer = post(smollm, "/api/generate", model=MODEL, prompt=prompt, truncate=False,
                          options={**GREEDY, "num_ctx": 1024, "num_predict": 1})
    assert status == 400 and "exceeds the available context" in json.dumps(answer)


@pytest.mark.statement("loop")
def test_an_answer_of_one_piece_again_and_again_ends_with_an_error_that_the_lab_knows(smollm):
    status, answer = post(smollm, "/api/generate", model=MODEL, prompt="1" + "0" * 80, raw=True,
                          options={**GREEDY, "num_predict": 140})
    assert status == 500 and REPEATED.search(answer["error"])
    assert ask(smollm, "1" + "0" * 80, num_predict=90)["done"], "90 of them are not too many"


@pytest.mark.statement("prompt_count")
def test_the_count_of_a_prompt_has_its_cached_tokens_too(smollm):
    prompt = "The cat sat on the mat and looked at the moon. " * 40
    first, second = (ask(smollm, prompt, num_ctx=1024) for _ in range(2))
    assert first["prompt_eval_count"] == second["prompt_eval_count"] > 400
    assert second["prompt_eval_cached_count"] > 0.9 * second["prompt_eval_count"]
    assert second["prompt_eval_duration"] < first["prompt_eval_duration"] / 2


@pytest.mark.statement("logprobs")
def test_probabilities_of_what_is_written_and_of_twenty_others(smollm):
    def asked(top: int) -> tuple[int, dict]:
        return post(smollm, "/api/generate", model=MODEL, prompt="The sun is", logprobs=True,
                    top_logprobs=top, options={**GREEDY, "num_predict": 4})

    status, answer = asked(20)
    assert status == 200 and len(answer["logprobs"]) == answer["eval_count"] == 4
    assert all(len(place["top_logprobs"]) == 20 and place["logprob"] <= 0 for place in answer["logprobs"])
    status, answer = asked(21)
    assert status == 400 and "between 0 and 20" in answer["error"]


@pytest.mark.statement("create_quantize")
def test_the_api_quantizes_no_gguf_file_either(smollm):
    status, answer = post(smollm, "/api/create", model="theirs", **{"from": MODEL}, quantize="q4_K_M")
    assert "quantize GGUF models with llama.cpp tools" in json.dumps(answer), (status, answer)


@pytest.mark.statement("any_type", "ternary", "type_names")
def test_every_mix_that_we_write_is_named_and_runs_but_for_those_of_three_levels(ollama, tmp_path):
    """Those that need an importance matrix have their own test (test_own_file_live.py)."""
    server, seen = Server(ollama.url), {}
    free = [ftype for ftype in PROGRAMS["llama.cpp"].offered
            if ftype != "Q2_K_S" and not NEED_IMATRIX & set(recipe(ftype, "tiny").values())]
    for ftype in free:
        path = quantize_model("tiny", tmp_path / f"{ftype}.gguf", ftype, progress=None)
        try:
            model = create_custom_model("named", f"FROM {path}", server=server)
        except LabError as error:
            seen[ftype] = "refused"
            assert "size overflows" in str(error) and "though llama.cpp runs them" in str(error)
            continue
        seen[ftype] = server.show("named")["details"]["quantization_level"]
        assert model.ask("To be", options={**GREEDY, "num_predict": 2}).strip()
    ollama.cli("rm", "named")
    assert len(seen) > 18
    assert seen == {ftype: "refused" if ftype in ("TQ1_0", "TQ2_0") else ftype for ftype in seen}


@pytest.mark.statement("adapter")
def test_an_adapter_is_refused_by_tool_and_server_and_here_with_what_to_do(live, tmp_path):
    adapter = tmp_path / "lora.gguf"
    adapter.write_bytes(b"GGUF")
    with pytest.raises(AssertionError, match="LoRA adapters are no longer supported"):
        created(live, "adapted", f"FROM {MODEL}\nADAPTER {adapter}")
    digest = Server().upload(adapter)
    status, answer = post(live, "/api/create", model="adapted", **{"from": MODEL},
                          adapters={"lora.gguf": digest})
    assert status == 400 and "LoRA" in answer["error"]
    with pytest.raises(ModelfileError, match=r"refused.*llama-export-lora.*since 0\.34\.1"):
        create_custom_model("adapted", f"FROM {MODEL}\nADAPTER {adapter}")


@pytest.mark.statement("typical_p")
def test_typical_p_is_refused_in_requests_and_in_modelfiles(live):
    status, answer = post(live, "/api/generate", model=MODEL, prompt="Hi", options={"typical_p": 0.9})
    assert status == 400 and "typical_p" in answer["error"]
    with pytest.raises(AssertionError, match="typical_p is no longer supported"):
        created(live, "typical", f"FROM {MODEL}\nPARAMETER typical_p 0.9")
    with pytest.raises(ModelfileError, match=r"refused.*min_p"):
        create_custom_model("typical", f"FROM {MODEL}\nPARAMETER typical_p 0.9")


@pytest.mark.statement("repeat_penalty")
def test_nothing_is_done_against_repetition_unless_somebody_asks(smollm):
    asked = "Repeat the word moon again and again: moon moon moon moon moon"
    said, plain, punished = (ask(smollm, asked, num_predict=40, **more)["response"]
                             for more in ({}, {"repeat_penalty": 1.0}, {"repeat_penalty": 1.1}))
    assert said == plain != punished


@pytest.mark.statement("draft_num_predict", "repeated_parameter")
def test_parameters_that_are_new_or_stand_twice(smollm):
    printed = created(smollm, "twice", f"FROM {MODEL}\nPARAMETER draft_num_predict 3\nPARAMETER seed 1\n"
                                       "PARAMETER seed 2\nPARAMETER stop one\nPARAMETER stop two\n")
    lines = [line.split(maxsplit=2)[1:] for line in printed.splitlines() if line.startswith("PARAMETER")]
    assert ["draft_num_predict", "3"] in lines and ["seed", "2"] in lines and ["seed", "1"] not in lines
    assert ["stop", "one"] in lines and ["stop", "two"] in lines
    smollm.cli("rm", "twice")


@pytest.mark.parametrize("name", ["mirostat", "use_mlock"])
def test_parameters_that_do_nothing_any_more_are_dropped_by_the_tool(smollm, name):
    assert f"PARAMETER {name}" not in created(smollm, "dropped", f"FROM {MODEL}\nPARAMETER {name} 1\n")
    smollm.cli("rm", "dropped")
