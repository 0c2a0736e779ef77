# make demo    the main job on generated phantoms; make demo DATA=FOLDER on real radiographs
# make test    all tests
# make default-model    trains and exports what is shipped anew, and shows it beside what is shipped now
# make lint    formatting, lints, types, import contracts

PYTHON ?= python3
VENV ?= .venv
DATA ?=
DEMO ?= demo

# An absolute path keeps the recipes the same wherever VENV lies.
BIN := $(abspath $(VENV))/bin

.PHONY: demo default-model test lint clean

ifeq ($(DATA),)
demo: $(VENV)/.train
	test -d $(DEMO)/phantoms || $(BIN)/pneumoscope data phantoms --out $(DEMO)/phantoms --count 480
	$(BIN)/pneumoscope experiment $(DEMO)/phantoms --out $(DEMO)/experiment --weights none --set epochs=8 --resume
	@echo "The report: $(abspath $(DEMO))/experiment/report.html"
else
demo: $(VENV)/.train
	$(BIN)/pneumoscope experiment $(DATA) --out $(DEMO)/$(notdir $(abspath $(DATA))) --weights none --resume
	@echo "The report: $(abspath $(DEMO))/$(notdir $(abspath $(DATA)))/report.html"
endif

RADIOGRAPHS = $(or $(DATA),../shared/data/chest_xray)
ANEW = $(DEMO)/default-model

default-model: $(VENV)/.train
	$(BIN)/pneumoscope train $(RADIOGRAPHS) --model compact --recipe recipes/default.yaml --out $(ANEW) --resume
	rm -rf $(ANEW)/bundle
	$(BIN)/pneumoscope export $(ANEW)/compact --out $(ANEW)/bundle --name compact-1 \
		--notice "$$(cat recipes/notice.txt)" --population "$$(cat recipes/population.txt)"
	$(BIN)/pneumoscope bundles src/pneumoscope/bundles/default $(ANEW)/bundle

# Two processes of one thread each; a file's tests stay together, for what they share is made once.
test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV)

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pneumoscope needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train]'
	touch $@

$(VENV)/.dev: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train,dev]'
	touch $@ $(VENV)/.train
