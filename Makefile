# Everything runs in .venv, which the first target that needs it sets up from requirements.lock.
# Recipes are plain POSIX sh: a fresh machine needs Python 3.11+ and make, nothing else.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
JOBS ?= 2

DEMO := instances/library/cold-start/csgo-qwen3-14b-t2048.json
SOLVE := $(BIN)/shardopt solve $(DEMO)
SHOW := $(BIN)/shardopt show $(DEMO)

.DEFAULT_GOAL := help
.PHONY: demo test test-long lint format typecheck bench notebooks lock build clean help

demo: $(READY) ## Solve a published instance: exact, heuristics, gaps, a picture
	@mkdir -p build/demo
	$(SOLVE) -o build/demo/exact.json
	$(SOLVE) --solver harmonic -o build/demo/harmonic.json
	$(SOLVE) --solver even -o build/demo/even.json
	$(SOLVE) --solver direct/highs --time-limit 30 -o build/demo/direct-highs.json
	$(BIN)/python benchmarks/demo.py build/demo/exact.json build/demo/harmonic.json \
		build/demo/even.json build/demo/direct-highs.json
	$(SHOW) build/demo/exact.json
	$(SHOW) build/demo/exact.json -o build/demo/exact.svg
	$(SHOW) build/demo/harmonic.json -o build/demo/harmonic.svg
	@echo "The pictures are build/demo/exact.svg and build/demo/harmonic.svg"

test: $(READY) ## Run the tests (under 5 minutes on 2 cores)
	$(BIN)/pytest -n $(JOBS) -m "not long"

test-long: $(READY) ## Run the long tests: hundreds of instances on every backend
	$(BIN)/pytest -n $(JOBS) -m long

lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY) ## Mend style and formatting where that is mechanical
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Type checkers cannot see through setuptools' package-dir: show them the package as links.
typecheck: $(READY) ## Check all types, strictly
	@rm -rf build/typing
	@mkdir -p build/typing/shardopt
	@for part in models solvers instances; do ln -s ../../../$$part build/typing/shardopt/; done
	@for part in shardopt/*; do ln -s ../../../$$part build/typing/shardopt/; done
	$(BIN)/mypy build/typing/shardopt

bench: $(READY) ## Measure size and speed; prints tables under a protocol block
	$(BIN)/python benchmarks/run.py

notebooks: $(READY) ## Execute the notebooks in place
	$(BIN)/python notebooks/execute.py

lock: $(READY) ## Renew requirements.lock within what pyproject.toml allows
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--output-file requirements.lock

build: $(READY) ## Build wheel and source archive into dist/
	@rm -rf dist build/lib build/bdist.*
	$(BIN)/python -m build --quiet --no-isolation

clean: ## Remove everything that make made, .venv included
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' \
		| while IFS='|' read -r target text; do printf '  %-16s %s\n' "$$target" "$$text"; done

# setuptools comes from the lock, so that nothing unlocked is fetched to build the package.
$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "shardopt needs Python 3.11 or newer, found: $$($(PYTHON) --version 2>&1);" \
			"name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "'$(PYTHON) -m venv' failed (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m shardopt.solvers.warm
	@touch $@
