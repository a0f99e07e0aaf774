# The tasks of this project. `make` lists them.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help run test check format integration soak torture test-gpu benchmark benchmark-growth benchmark-recording benchmark-rejection docs clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 21

run: $(READY)  ## Train conv_big (about 99 %) and log it to MLflow
	$(BIN)/mnistexp model=conv_big optim=adam_decay

test: $(READY)  ## Run the tests (about 12 minutes on two idle cores), without integration, soak and GPU tests
	@echo "about 12 minutes on two idle cores"
	$(BIN)/pytest -n 2 --dist loadfile -m "not integration and not soak and not gpu"

check: $(READY)  ## Check format, lint and types, then run the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

format: $(READY)  ## Format the code and apply automatic lint fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

integration: $(READY)  ## Run tests of wheels, servers, launchers and browsers
	$(BIN)/pytest -n 2 --dist loadfile -m integration

soak: $(READY)  ## Run tests that take longer than CI allows
	$(BIN)/pytest -m soak || test $$? = 5  # 5: pytest found no tests.

torture: $(READY)  ## Kill runs and feed bad input in bulk, and count: docs/reliability.md
	PYTHONPATH=tests $(BIN)/python -m torture

test-gpu: $(READY)  ## Run the tests that need an NVIDIA GPU
	@ldconfig -p | grep -q 'libcuda.so.1' || { echo "not run: no NVIDIA driver here"; exit 1; }
	$(BIN)/pip install -q -c constraints.txt -e '.[dev,gpu]'
	$(BIN)/pytest -m gpu -rs -s

benchmark: $(READY)  ## Compare the speed with Keras, PyTorch and JAX: docs/speed.md
	PYTHONPATH=benchmarks $(BIN)/python -m training_speed
	PYTHONPATH=benchmarks $(BIN)/python -m training_speed.automatic_settings

benchmark-growth: $(READY)  ## Measure how the time grows with images, steps and runs: docs/growth.md
	$(BIN)/python benchmarks/growth.py

benchmark-recording: $(READY)  ## Measure the cost of recording: docs/recording.md
	$(BIN)/python benchmarks/recording.py

benchmark-rejection: $(READY)  ## Measure what predict refuses and splits: docs/rejection.md
	$(BIN)/python benchmarks/rejection.py

docs: $(READY)  ## Build the documentation: docs/_build/html/index.html
	$(BIN)/python -m sphinx -W -q -b html docs docs/_build/html

clean:  ## Remove the environment and the caches, but not the runs
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache dist build

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
