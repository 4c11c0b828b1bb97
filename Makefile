# Everything is installed into .venv; runs are written to runs. Both can be deleted at any time (make clean).

# The wheels of ROS to run on, jazzy or kilted, and the versions to install, within the ranges of pyproject.toml; others than
# these get an environment of their own, such as .venv-kilted.
ROS := jazzy
CONSTRAINTS := constraints/tested.txt
VENV := .venv$(filter-out -jazzy,-$(ROS))$(filter-out -tested,-$(basename $(notdir $(CONSTRAINTS))))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
INSTALL := $(PIP) install --constraint $(CONSTRAINTS) --editable

# The first interpreter that runs and is 3.11 or 3.12, for which the versions were tried. Override: make PYTHON=/path.
PYTHON ?= $(shell for python in python3.12 python3.11 python3 python; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
	>/dev/null 2>&1 && command -v "$$python" && break; done)

.PHONY: help demo test lint format clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo ARGS="--batch 3 --seed 0"   servo the simulated arm to a reference image (see ARGS="--help")'
	@echo 'make test ARGS="-k servo"             lint, type check and all tests'
	@echo 'make test ROS=kilted                  the same on ROS 2 Kilted, in .venv-kilted'
	@echo 'make demo CONSTRAINTS=constraints/oldest.txt   on the oldest libraries, in .venv-oldest'
	@echo 'make lint                             ruff and mypy only'
	@echo 'make format                           let ruff format the code'
	@echo 'make clean                            delete .venv*, caches and builds (runs are kept)'

demo: $(VENV)/.demo
	@$(BIN)/python -m cnn_vs_ros demo $(ARGS)

# What runs in real time runs by itself (see test/conftest.py), the rest side by side.
test: lint $(VENV)/.test
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	@status=0; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not real_time' --numprocesses auto --maxprocesses 4 --dist loadfile || status=$$?; \
	$(BIN)/python -m pytest -m real_time || status=$$?; \
	exit $$status
endif

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .venv-* build install log *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment whose interpreter has gone (moved folder, upgraded Python), or that was not finished, is made anew.
ifneq ($(shell $(BIN)/python -c 'import pip; print("works")' 2>/dev/null),works)
$(shell rm -f $(VENV)/.demo $(VENV)/.test)
.PHONY: $(BIN)/python
endif

$(BIN)/python:
	@test -n '$(PYTHON)' || { \
	echo 'error: Python 3.11 or 3.12 with venv is needed, and neither is on the PATH.'; \
	echo 'On Debian or Ubuntu: sudo apt-get install python3-venv; or name one: make PYTHON=/path/to/python3.12'; exit 1; }
	@echo 'making $(VENV) with $(PYTHON)'
	@rm -rf $(VENV)
	@'$(PYTHON)' -m venv $(VENV)

$(VENV)/.demo: pyproject.toml setup.py $(CONSTRAINTS) | $(BIN)/python
	@echo 'installing what the demo needs into $(VENV) (once; a minute or two)'
	@$(INSTALL) '.[$(ROS),simulation,report,bag]'
	@$(BIN)/python -m cnn_vs_ros.demo.rendering --install
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@echo 'installing what the tests and the training need into $(VENV) (once; a few minutes)'
	@$(INSTALL) '.[$(ROS),test]'
	@touch $@
