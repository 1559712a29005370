# Every target sets up what it needs by itself, in .venv; a bare machine with Python 3.11 or later is enough.
# Another interpreter: make test PYTHON=/path/to/python3.12

VENV := .venv
BIN := $(VENV)/bin
STAMPS := .stamps
SETTINGS := pyproject.toml constraints.txt src/otoscope/base/version.py
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
PYTHON ?=
RESULTS := demo-results
# The tests and the demo need no network: what is not in the package is not asked for.
OFFLINE := HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1

.DEFAULT_GOAL := help
.PHONY: help install demo test test-browser lint reference bench bench-short bench-studies released clean

help:
	@echo "make demo     install, and study the demo model: pages to open in $(RESULTS)/atlas/"
	@echo "make test     install, and run the tests"
	@echo "make test-browser  run the tests that need Chromium, which they look for on the path or in CHROMIUM"
	@echo "make install  install otoscope into $(VENV)"
	@echo "make lint     check format, style, types and the directions of imports"
	@echo "make reference  write docs/reference.md, docs/api.md and the stub of public names from the code"
	@echo "make bench    measure speed and memory against transformers, openai-whisper and faster-whisper"
	@echo "make bench-short   the same for a few questions, briefly"
	@echo "make bench-studies how long whole studies take: half an hour"
	@echo "make released  the study's outputs again on released models, given MODELS, CORPORA, RECORDING and SPEECH"
	@echo "make clean    remove $(VENV), $(RESULTS) and what was built"

install: $(STAMPS)/core
	@echo "Installed. Run $(BIN)/otoscope --help, or make demo."

demo: $(STAMPS)/core
	$(OFFLINE) $(BIN)/otoscope demo --out $(RESULTS)

test: $(STAMPS)/test
	$(OFFLINE) $(BIN)/python -m pytest -n 2 -m "not slow and not gpu and not browser"

test-browser: $(STAMPS)/test
	$(OFFLINE) $(BIN)/python -m pytest -n 2 -m "browser and not slow" tests/atlas

lint: $(STAMPS)/lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

reference: $(STAMPS)/core
	$(BIN)/python -m tools.stub
	$(BIN)/python -m tools.reference

bench: $(STAMPS)/core
	$(OFFLINE) $(BIN)/python benchmarks/run.py

bench-short: $(STAMPS)/core
	$(OFFLINE) $(BIN)/python benchmarks/run.py --repeat 0.1 --only encoder reading relevance help log-mel loading

bench-studies: $(STAMPS)/core
	$(OFFLINE) $(BIN)/python benchmarks/run.py --only study-quick study study-demo

# Folders of checkpoints and of corpora, the study's own recording, and one for the relevance map; kept in released/.
released: $(STAMPS)/core
	$(OFFLINE) $(BIN)/python -m reproduction.run $(addprefix --model ,$(MODELS)) $(addprefix --corpus ,$(CORPORA)) \
		--recording $(RECORDING) --speech $(SPEECH) --out released --page docs/released_models.md

clean:
	rm -rf $(VENV) $(STAMPS) $(RESULTS) build dist

# The interpreter's own stamp: the environment is made once, by the first Python of 3.11 or later that is found.
$(BIN)/python:
	@for candidate in "$(PYTHON)" python3 python3.14 python3.13 python3.12 python3.11 python; do \
		if [ -n "$$candidate" ] && "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making $(VENV) with $$candidate ($$("$$candidate" --version))"; \
			exec "$$candidate" -m venv $(VENV); \
		fi; \
	done; \
	echo "otoscope needs Python 3.11 or later with its venv module, and none was found." >&2; \
	echo "Install it (on Debian or Ubuntu: apt install python3 python3-venv; elsewhere: python.org), or name yours: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
	exit 1

$(STAMPS)/core: $(SETTINGS) | $(BIN)/python
	@echo "Installing otoscope (the first time, this fetches torch and takes minutes)"
	$(PIP) --editable .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/test: $(SETTINGS) | $(BIN)/python
	@echo "Installing otoscope with what its tests need (the first time, this fetches torch and takes minutes)"
	$(PIP) --editable '.[test]'
	@mkdir -p $(STAMPS) && touch $(STAMPS)/core $@

$(STAMPS)/lint: $(SETTINGS) | $(BIN)/python
	@echo "Installing otoscope with its linters and what its tests need"
	$(PIP) --editable '.[test,lint]'
	@mkdir -p $(STAMPS) && touch $(STAMPS)/core $(STAMPS)/test $@
