# The commands of the project. `test` and `reports` make the environment when it is missing or out of date.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
RECORDS := .cache/conformance.json
# What is made here asks Keras. Without it, on 3.14 too: pip install -e . && pytest -n auto
NEEDED := make needs Python 3.11, 3.12 or 3.13, for which there is a TensorFlow
ANOTHER := : name another with 'make PYTHON=python3.12 test'; without TensorFlow 'pip install -e .' and 'pytest -n auto' do

.DEFAULT_GOAL := help
.PHONY: help venv test reports lint clean

help:
	@echo "make test      judge the reference against Keras, and test this project (PYTEST_ARGS='-k lstm' passes options to pytest)"
	@echo "make reports   measure again and write reports/"
	@echo "make lint      ruff and mypy"
	@echo "make venv      make .venv with the pinned versions (PYTHON=python3.12 chooses the interpreter)"
	@echo "make clean     remove .venv, caches and build folders"

venv: $(STAMP)

# setuptools comes first, so that the build, too, runs with pinned versions.
$(STAMP): pyproject.toml constraints.txt
	@command -v "$(PYTHON)" > /dev/null || { echo "$(NEEDED), and there is no $(PYTHON)$(ANOTHER)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
		{ echo "$(NEEDED), and $(PYTHON) is $$("$(PYTHON)" -V 2>&1 | cut -d" " -f2)$(ANOTHER)" >&2; exit 1; }
	@$(BIN)/python -c '' 2> /dev/null || "$(PYTHON)" -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt setuptools wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e ".[dev]"
	@touch $@

test: $(STAMP)
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

reports: $(STAMP)
	$(BIN)/python -m pytest -n auto -q --conform-json=$(RECORDS) $(PYTEST_ARGS) conformance/suite
	$(BIN)/conform report --records $(RECORDS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find reference conformance -name __pycache__ -type d -prune -exec rm -rf {} +
