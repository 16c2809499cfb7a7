# Two commands for a newcomer: `make run` and `make test`. Each sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: setup run test test-plain test-ray check check-deploy fmt stubs bench figures model clean
setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "midstep needs Python 3.11 or newer; $(PYTHON) is older: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: setup  ## the main job on the shipped model: about two minutes, ends with runs/<name>-<time>/report.html
	$(BIN)/midstep run $(ARGS)

test: setup  ## both parts at once: the one with Ray waits more than it computes
	@$(MAKE) --no-print-directory -j 2 test-plain test-ray

test-plain: setup  ## what needs no Ray, in two processes, a file in one of them. 5: ARGS chose none
	$(BIN)/python -m pytest -m "not ray" -n 2 --dist loadfile $(ARGS) || [ $$? = 5 ]

test-ray: setup  ## what shares the one Ray
	$(BIN)/python -m pytest -m ray $(ARGS) || [ $$? = 5 ]

check: setup  ## style, types, import directions, stubs up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m deploy.check_style
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m deploy.stubs --check
	$(BIN)/python -m deploy.dashboards --check
	$(BIN)/python -m deploy.metrics_page --check
	$(BIN)/python -m deploy.scenario_page --check
	$(BIN)/python -m deploy.faults_page --check
	$(BIN)/python -m deploy.reuse_page --check
	$(BIN)/python -m deploy.check

check-deploy: setup  ## deploy/ by every validator, also those that need a package index; MIDSTEP_CRDS=FOLDER: the operators' definitions
	$(BIN)/python -m deploy.check
	$(BIN)/python -m deploy.check_monitoring
	$(BIN)/python -m deploy.check_image

fmt: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

stubs: setup  ## write midstep/v1 from proto/midstep/v1
	$(BIN)/python -m deploy.stubs

bench: setup  ## the figures that the README quotes, as ratios within one run
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.overhead
	$(BIN)/python -m benchmarks.learners

figures: setup  ## the paper's figures and claims, 12 seeds of 10,000 slots (a quarter of an hour); ARGS=--quick for minutes
	$(BIN)/midstep reproduce all $(ARGS)

model: setup  ## train the default model again (an hour or more on two cores; resumable)
	$(BIN)/python -m training.train --out midstep/models/midstep-emoji

clean:
	rm -rf .venv runs build *.egg-info .mypy_cache .ruff_cache .pytest_cache
