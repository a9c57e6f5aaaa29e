PYTHON ?= python3
PIP = .venv/bin/python -m pip --quiet --disable-pip-version-check
PYTEST = .venv/bin/python -m pytest -n 3 --max-worker-restart 0

.PHONY: install demo gpu test quick slow lint clean

install: .venv/installed       ## install the pinned packages into .venv

demo: .venv/installed          ## corrupt half of the labels of digits, select the clean ones, train on them
	.venv/bin/python INCV_main.py --noise_pattern sym --noise_ratio 0.5

gpu: .venv/installed           ## add CUDA for TensorFlow: Linux with an NVIDIA GPU, see docs/running.md
	$(PIP) install --require-hashes -r requirements/gpu.txt

test: .venv/tested             ## run the tests, three files at a time
	$(PYTEST) --dist loadfile --no-loadscope-reorder

quick: .venv/tested            ## run the tests that take milliseconds
	$(PYTEST) -m 'not slow and not runs'

slow: .venv/tested             ## run the long tests: fuzzing, kills, whole recipes
	$(PYTEST) --dist loadfile --no-loadscope-reorder -m slow

lint: .venv/tested             ## check style and formatting
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

clean:                         ## remove .venv
	rm -rf .venv

.venv/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
	  || (echo 'Python 3.10 to 3.13 is needed: make PYTHON=python3.12 $(MAKECMDGOALS)'; exit 1)
	$(PYTHON) -m venv .venv
	$(PIP) install --require-hashes -r requirements.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/tested: .venv/installed requirements/dev.txt
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@
