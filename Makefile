# Needs make and Python 3.11, 3.12 or 3.13; everything else it installs in .venv.
#
#   make env     the environment, exactly as locked
#   make beam    the environment of distributed builds, which fit in no other
#   make train   trains with the default configuration
#   make test    all that CI checks
#   make lock    resolves setup.cfg anew, keeping the versions that still fit
#   make clean   removes what these commands made; data, runs and models stay

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/env.txt
BEAM := .venv-beam
BEAM_LOCK := requirements/beam.txt
# Beam needs protobuf 6, and the environment has protobuf 7.
BEAM_TESTS := $(patsubst %,tests/%.py,dataset/packing/test_beam inference/test_beam \
	machines/test_launching)
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --custom-compile-command "make lock" setup.cfg

# The first one that runs: a name on the path can be a shim with nothing behind it.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))" \
	2>/dev/null && echo $$python && break; done)

# uv installs more than twice as fast as pip; pip knows of mirrors that uv does not.
define install
	$(BIN)/uv pip install --python $(1)/bin/python --quiet --compile-bytecode \
		--require-hashes -r $(2) || \
		$(1)/bin/python -m pip install --quiet --require-hashes -r $(2)
	$(1)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(1)/.installed
endef

.PHONY: env beam train test lock clean

env: $(VENV)/.installed

beam: $(BEAM)/.installed

train: env
	$(BIN)/python -m maskdepth_tf.train

# Compiled files of the package and its tests: processes that tests start need them.
test: export PYTHONDONTWRITEBYTECODE :=
# mypy and Beam's tests run beside the others; three at a time, as some wait for others.
test: env beam
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p build
	@($(BIN)/mypy && $(BEAM)/bin/python -m pytest -p no:cacheprovider $(BEAM_TESTS)) \
		> build/beside.txt 2>&1 & beside=$$!; \
	$(BIN)/python -m pytest -n 3 --dist worksteal; code=$$?; \
	wait $$beside || code=$$?; cat build/beside.txt; exit $$code

lock: $(BIN)/uv
	$(COMPILE) --extra dev --extra teacher --extra addons --extra serving \
		--extra formats --extra video -o $(LOCK)
	$(COMPILE) --extra gpu -c $(LOCK) -o requirements/gpu.txt
	$(COMPILE) --extra dev --extra teacher --extra beam -o $(BEAM_LOCK)

clean:
	rm -rf $(VENV) $(BEAM) build *.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.installed: $(LOCK) setup.cfg $(BIN)/uv
	$(call install,$(VENV),$(LOCK))

$(BEAM)/.installed: $(BEAM_LOCK) setup.cfg $(BIN)/uv
	$(BIN)/python -m venv $(BEAM)
	$(call install,$(BEAM),$(BEAM_LOCK))

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11, 3.12 or 3.13 found;" \
		"name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { echo "error: $(PYTHON)" \
		"cannot make environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	sed -n '/^uv==/,/[^\]$$/p' $(LOCK) | \
		$(BIN)/python -m pip install --quiet --require-hashes -r /dev/stdin
