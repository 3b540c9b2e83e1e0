"""The front door: `import quantlab` costs almost nothing, and every public name is there and explained."""

import subprocess
import sys

import pytest

import quantlab as ql

HEAVY = ("numpy", "pandas", "matplotlib", "ipywidgets", "anywidget", "gguf", "httpx", "ollama", "psutil",
         "scipy", "tokenizers", "jinja2")


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=True).stdout.strip()


def test_import_loads_nothing_heavy():
    loaded = run("import sys, quantlab; print(*sorted({name.split('.')[0] for name in sys.modules}))").split()
    assert "quantlab" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_basics_and_formats_need_no_more_than_numpy():
    loaded = run("import sys, quantlab, quantlab.basics.floats; quantlab.quantize, quantlab.quantize_absmax;"
                 "print(*sorted({name.split('.')[0] for name in sys.modules}))").split()
    assert "numpy" in loaded
    assert [name for name in HEAVY[1:] if name in loaded] == []


@pytest.mark.parametrize("name", ql.__all__)
def test_public_name_resolves_and_is_explained(name):
    value = getattr(ql, name)
    if callable(value):
        assert (value.__doc__ or "").strip(), f"{name} has no docstring"
    else:
        assert isinstance(value, dict | list | tuple) and len(value), f"{name}: a table with something in it"


def test_star_import_brings_every_public_name():
    assert run("from quantlab import *; import quantlab;"
               "print([name for name in quantlab.__all__ if name not in globals()])") == "[]"


def test_public_names_are_listed_once():
    assert len(ql.__all__) == len(set(ql.__all__)) == sum(len(names.split()) for names in ql._ROOMS.values())


def test_an_unknown_name_is_refused_by_name():
    with pytest.raises(AttributeError, match="quantise"):
        ql.quantise  # noqa: B018
