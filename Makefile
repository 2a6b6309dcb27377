# Each target makes .venv and installs what it needs, once; what it installs is said in a line.
PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.SILENT:
.ONESHELL:
# Two processes; what must not run side by side is in one group, see tests/conftest.py.
SIDE_BY_SIDE := -n 2 --dist loadgroup
.PHONY: run train student test check lock

run: .venv/run.stamp
	if [ -t 0 ]; then exec $(BIN)/assistant; fi
	$(MAKE) .venv/train.stamp
	exec $(BIN)/assistant demo

train: .venv/train.stamp
	echo "The training parts are installed; \`$(BIN)/assistant retrain\` uses them."

# The student that is shipped, from nothing; killed and started again, it goes on.
student: .venv/train.stamp
	$(BIN)/python -P -m training.pretrain .student
	echo "The student is in .student/student."

test: .venv/dev.stamp
	$(BIN)/pytest -q $(SIDE_BY_SIDE)

check: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/pytest -q $(SIDE_BY_SIDE)
	echo "source lines: $$(git ls-files '*.py' ':!tests' ':!benchmarks' | xargs cat | wc -l)"

# The pins of everything: one environment that grows, so that the three files agree.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install -q "$$(sed -n 's/^requires = \["\(hatchling[^"]*\)"\]/\1/p' pyproject.toml)"
	for part in run:local,web train:train dev:dev; do
		echo "resolving locks/$${part%%:*}.txt"
		.venv-lock/bin/pip install -q --no-build-isolation ".[$${part##*:}]" 2> .venv-lock/log \
			|| { cat .venv-lock/log; exit 1; }
		.venv-lock/bin/pip freeze --exclude assistant --all 2> /dev/null | sed 's/+.*//; /^pip==/d' \
			| tr 'A-Z_' 'a-z-' | LC_ALL=C sort > "locks/$${part%%:*}.txt"
	done
	rm -rf .venv-lock

.venv/run.stamp: WHAT = the assistant and llama.cpp (about 6 minutes the first time)
.venv/train.stamp: WHAT = the training parts (about 8 minutes the first time)
.venv/dev.stamp: WHAT = the training and testing parts (about 10 minutes the first time)

.venv/%.stamp: locks/%.txt pyproject.toml | .venv/system.stamp
	echo "installing $(WHAT)"
	$(BIN)/pip install -q --no-deps -r $< > .venv/log 2>&1 \
		&& $(BIN)/pip install -q --no-deps --no-build-isolation -e . >> .venv/log 2>&1 \
		|| { grep -v '^WARNING' .venv/log | tail -n 20; echo "The installation failed; .venv/log has all of it."; exit 1; }
	if grep -q '^torch==' $< && ! $(BIN)/python -c 'import torch' 2> /dev/null; then
		# Where pip finds no CPU build it took the CUDA build, which has needs of its own.
		echo "installing the CUDA libraries of torch, since pip found no CPU build of it (several GB)"
		$(BIN)/pip install -q "$$(grep '^torch==' $<)" > .venv/log 2>&1
	fi
	case $* in
		dev) touch .venv/run.stamp .venv/train.stamp ;;
		train) touch .venv/run.stamp ;;
	esac
	touch $@

# What pip cannot bring: a compiler for llama.cpp, bubblewrap for the sandbox, and the venv itself.
.venv/system.stamp:
	need() {
		if command -v $$1 > /dev/null; then return; fi
		apt="env DEBIAN_FRONTEND=noninteractive apt-get"
		if [ "$$(id -u)" != 0 ]; then apt="sudo -n $$apt"; fi
		if command -v apt-get > /dev/null && { [ "$$(id -u)" = 0 ] || sudo -n true 2> /dev/null; }; then
			echo "installing $$2 (apt-get install $$2)"
			{ $$apt update && $$apt install -y $$2; } > /tmp/assistant-apt.$$$$ 2>&1 && return
			tail -n 3 /tmp/assistant-apt.$$$$
		fi
		echo "$$3 is missing: run \`sudo apt-get install $$2\`, then make again."
		exit 1
	}
	need cc build-essential "A C compiler"
	need c++ build-essential "A C++ compiler, for llama.cpp,"
	need git git "git"
	need bwrap bubblewrap "bubblewrap, which the sandbox is made of,"
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …"; exit 1; }
	[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv \
		|| { echo "$(PYTHON) cannot make virtual environments: run \`sudo apt-get install python3-venv\`, then make again."; exit 1; }
	touch $@
