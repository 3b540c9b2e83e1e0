# quantlab. `make lab` to learn, `make test` to check; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help lab app test lint notebooks api record bench bench-full bench-truth bench-memory fuzz site site-check tools ollama reset doctor clean
PYTHON_IN := .venv/bin/python
# Compiled modules are kept whatever the shell says: without them each kernel compiles pandas again, for a second.
unexport PYTHONDONTWRITEBYTECODE
# Several test processes share the cores: each of them computes with one thread. ARGS="-n 0" makes one process of them.
ONE_THREAD := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.venv/.ready-lab: pyproject.toml constraints.txt tools/setup.sh
	@tools/setup.sh lab
.venv/.ready-app: pyproject.toml constraints.txt tools/setup.sh
	@tools/setup.sh app
.venv/.ready-dev: pyproject.toml constraints.txt tools/setup.sh
	@tools/setup.sh dev

lab: .venv/.ready-lab  ## set everything up and open the lessons (your own copies, in my_notebooks/)
	@$(PYTHON_IN) -m quantlab lab $(ARGS)

app: .venv/.ready-app  ## set everything up and serve lessons and playground as pages without code (ARGS="--port=8866")
	@$(PYTHON_IN) -m quantlab app $(ARGS)

test: .venv/.ready-dev  ## set everything up and run all tests (CI=true: install Chromium and Ollama, skip nothing)
	@if [ "$(CI)" = true ]; then tools/system.sh; fi
	@QUANTLAB_PROFILE=reference $(ONE_THREAD) $(PYTHON_IN) -m pytest -n auto --dist loadfile $(ARGS)

lint: .venv/.ready-dev  ## style, spelling, types, clean notebooks, docs/api.md, docs/types.md
	@$(PYTHON_IN) -m ruff check .
	@.venv/bin/typos
	@$(PYTHON_IN) -m mypy
	@$(PYTHON_IN) tools/notebooks.py --check
	@$(PYTHON_IN) tools/api.py --check
	@$(PYTHON_IN) tools/type_tables.py --check

notebooks: .venv/.ready-dev  ## execute the lessons again under the reference profile (ARGS="01 06" for some)
	@$(PYTHON_IN) tools/notebooks.py $(ARGS)

api: .venv/.ready-dev  ## write docs/api.md again from the docstrings, and docs/types.md from the tables
	@$(PYTHON_IN) tools/api.py
	@$(PYTHON_IN) tools/type_tables.py

site: .venv/.ready-dev  ## build site/: every lesson as a page whose pictures move without Python
	@$(ONE_THREAD) $(PYTHON_IN) -m tools.site.build $(ARGS)

site-check: .venv/.ready-dev  ## run the package in WebAssembly: the bytes of each type, and which exhibits draw there (six minutes)
	@$(ONE_THREAD) $(PYTHON_IN) benchmarks/run.py site_check

record: .venv/.ready-dev  ## record again what lessons show where no Ollama answers (a quiet machine, a quarter of an hour)
	@$(ONE_THREAD) $(PYTHON_IN) -m tools.record $(ARGS)

bench: .venv/.ready-dev  ## measure speed and latency; writes benchmarks/results/
	@$(PYTHON_IN) benchmarks/run.py $(ARGS)

bench-full: .venv/.ready-dev  ## all tests, with the whole of each matrix of which `make test` takes some (a quarter of an hour and more)
	@QUANTLAB_TESTS=whole $(MAKE) --no-print-directory test

bench-truth: .venv/.ready-dev  ## hold 100 million weights per type against ggml, byte by byte (a quarter of an hour)
	@$(PYTHON_IN) benchmarks/run.py truth

bench-memory: .venv/.ready-dev  ## measure again what llama.cpp allocates; stops where a number is not the committed one (a minute)
	@$(PYTHON_IN) benchmarks/run.py memory

fuzz: .venv/.ready-dev  ## open 100,000 spoiled GGUF headers: each is refused in words or opened rightly (four minutes)
	@$(PYTHON_IN) benchmarks/run.py fuzz

tools: .venv/.ready-dev  ## install what the tests need beyond Python: Chromium, an Ollama server, test models, llama_model_quantize, WebAssembly (asks for root)
	@tools/system.sh

ollama:  ## find an Ollama server, or build one, kept outside the checkout (no system packages)
	@tools/ollama.sh

reset: .venv/.ready-lab  ## fresh copies of the lessons; your old ones are kept in my_notebooks/before-...
	@$(PYTHON_IN) -m quantlab reset $(ARGS)

doctor: .venv/.ready-lab  ## what was found on this machine, for you and for a bug report
	@$(PYTHON_IN) -m quantlab doctor $(ARGS)

clean:  ## remove everything that was made here, except my_notebooks/
	rm -rf .venv .tools build dist site *.egg-info test-artifacts .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
