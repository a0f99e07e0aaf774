# Everything that is done with this project. `make` lists it.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help run test check format integration soak test-gpu benchmark benchmark-recording docs clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

run: $(READY)  ## Set up what is missing, then train a network above 99 % and log it to MLflow
	$(BIN)/mnistexp model=conv_big optim=adam_decay

test: $(READY)  ## Set up what is missing, then run the tests
	$(BIN)/pytest -m "not integration and not soak and not gpu"

check: $(READY)  ## What must hold before each commit: format, lint, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

format: $(READY)  ## Format the code and repair what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

integration: $(READY)  ## Tests with a wheel in an empty environment, servers and killed processes
	$(BIN)/pytest -m integration

soak: $(READY)  ## Tests that take longer than CI has
	$(BIN)/pytest -m soak || test $$? = 5  # 5: there are none yet.

test-gpu: $(READY)  ## conv_big on a GPU in every precision, with XLA on and off
	@ldconfig -p | grep -q 'libcuda.so.1' || { echo "not run: no NVIDIA driver here"; exit 1; }
	$(BIN)/pip install -q -c constraints.txt -e '.[dev,gpu]'
	$(BIN)/pytest -m gpu -rs -s

benchmark: $(READY)  ## The training loop against plain Keras fit, in turn
	$(BIN)/python benchmarks/fit.py

docs: $(READY)  ## Build the documentation, docs/_build/html/index.html
	$(BIN)/python -m sphinx -W -q -b html docs docs/_build/html

benchmark-recording: $(READY)  ## What recording a training costs: writes docs/recording.md
	$(BIN)/python benchmarks/recording.py

clean:  ## Remove the environment and the caches, not the runs
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache dist build

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
