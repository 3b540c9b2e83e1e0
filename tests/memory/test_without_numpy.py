"""Memory is counted where there is no NumPy: in a web page, and in whatever must start at once."""

import subprocess
import sys

import pytest

import quantlab as ql

#: Refuses to import the libraries that it is given, as if they were not installed.
REFUSE = """
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ImportError(f"{name} is not to be had here")
sys.meta_path.insert(0, Refused())
"""
COUNTING = {"numpy", "pandas", "psutil", "httpx", "ipywidgets", "anywidget", "resvg_py", "IPython", "PIL"}


def without(libraries: set[str], code: str) -> str:
    """What a fresh interpreter without these libraries prints, under the reference profile."""
    made = subprocess.run([sys.executable, "-c", f"REFUSED = {libraries!r}\n{REFUSE}\n{code}"],
                          capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    return made.stdout.strip()


def test_every_room_of_memory_opens_without_numpy():
    code = """
import importlib, pkgutil, quantlab.memory as room
names = [found.name for found in pkgutil.iter_modules(room.__path__)]
for name in names:
    importlib.import_module(f"quantlab.memory.{name}")
print(len(names))
"""
    assert int(without(COUNTING, code)) > 20


@pytest.mark.parametrize(("call", "shown"), [
    ("ql.estimate_memory('qwen3:30b', 'Q3_K_M', n_ctx=32768, n_cpu_moe=12)", "(it.total, it.host)"),
    ("ql.estimate_memory('gemma3:4b', 'IQ4_XS', type_k='q8_0', type_v='q4_0')", "(it.total, it.kv_cache)"),
    ("ql.recommend('llama3.1:8b', 8, n_ctx=16384)", "str(it)"),
    ("ql.kv_cache_bytes('deepseek-v2:16b', 4096)", "it"),
    ("ql.expected_speed('llama3.1:8b', 'Q4_K_M', 500e9)", "it"),
    ("ql.recipe('Q4_K_M', 'llama3.2:3b')", "len(it)"),
    ("__import__('quantlab.models.tag', fromlist=['tag']).read_tag('gemma3:4b-it-qat')", "it"),
])
def test_the_same_is_counted_without_numpy(call, shown):
    told = f"str({shown})"
    here = eval(told, {"it": eval(call, {"ql": ql})})
    assert without(COUNTING, f"import quantlab as ql\nit = {call}\nprint({told})") == here.strip()


#: Drawn where there are neither NumPy nor widgets: what a page's Python can draw by itself.
@pytest.mark.parametrize("call", [
    "explore_memory('gpt-oss:20b', 12, n_ctx=32768, type_kv='q8_0')", "explore_fit(8)", "plot_kv_cache()",
    "explore_kv_cache('llama3.1:8b', 'gemma3:4b', vram_gb=8)", "plot_rule()", "plot_published_speeds()",
    "explore_speed('llama3.1:8b', 'GeForce RTX 4090')",
    "explore_tag('hf.co/unsloth/Qwen3-8B-GGUF:UD-Q4_K_XL')"])
def test_an_exhibit_of_memory_is_drawn_without_numpy_and_widgets(call):
    code = f"""
import inspect, quantlab as ql
def unwrapped(name):
    return inspect.unwrap(getattr(ql, name))
class Names(dict):
    def __missing__(self, name):
        return unwrapped(name)
exhibit = eval({call!r}, dict(), Names())
for values in [{{}}, *exhibit.presets.values()][:2]:
    print(exhibit.picture(exhibit.initial | values).svg)
"""
    staged = eval(f"ql.{call}", {"ql": ql})
    pictures = [staged.picture.svg]
    for values in [*staged.exhibit.presets.values()][:1]:
        pictures.append(staged.exhibit.picture(staged.initial | values).svg)
    assert without(COUNTING, code).splitlines() == "\n".join(pictures).splitlines()
