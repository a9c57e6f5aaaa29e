PYTHON ?= python3

.PHONY: demo gpu quick test slow lint clean

demo: .venv/installed          ## clean digits with wrong labels and train on them: about a minute
	.venv/bin/python INCV_main.py --noise_pattern sym --noise_ratio 0.5

gpu: .venv/installed requirements-gpu.txt      ## CUDA for TensorFlow: Linux with an NVIDIA card, see docs/gpu.md
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-gpu.txt

quick: .venv/tested            ## the tests that run no script to its end: two minutes
	.venv/bin/python -m pytest -n 2 -m 'not slow and not runs'

test: .venv/tested             ## the tests, two files at a time, those with whole runs of scripts first
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

slow: .venv/tested             ## the long ones, two files at a time: fuzzing, kills, whole recipes
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m slow

lint: .venv/tested
	.venv/bin/ruff check .

clean:
	rm -rf .venv

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
	  || (echo 'Python 3.10 to 3.13 is needed: make PYTHON=python3.12 $(MAKECMDGOALS)'; exit 1)
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/tested: .venv/installed requirements-dev.txt requirements-dask.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements-dev.txt -r requirements-dask.txt
	@touch $@
