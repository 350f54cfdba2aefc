# Wavetank. `make` alone prints this list; every target works on a bare machine and skips what is there.
#
# INSTANCE= names a copy of a topology (default: the topology's name); at topology-up also
# TOPOLOGY= SHARDS= SHARD_BY= REPLICAS= PROXIES= SOURCES= ACTIVE=<source>|all SEMI_SYNC=<acks> NODE_MEMORY=1g NODE_CPUS=1 BASE_PORT= MYSQL_IMAGE= PROXYSQL_IMAGE= REBUILD=<replica>
# Of the tests, LANES=2 run side by side. Where no ProxySQL image can be had, some fail and say so; PROXYSQL=absent leaves them out.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
LANES ?= 2
PYTEST := env -u TOPOLOGY -u INSTANCE -u BASE_PORT -u SHARDS -u SHARD_BY -u SOURCES -u ACTIVE -u REPLICAS -u PROXIES -u VIA -u RUNS -u MAX_RTO -u MAX_LOST -u SEMI_SYNC -u NODE_MEMORY -u NODE_CPUS -u REBUILD -u SUBJECT -u SUBJECTS -u FAULT -u FAULTS -u HARDENED \
	$(BIN)/pytest -n $(LANES)

export TOPOLOGY INSTANCE BASE_PORT SHARDS SHARD_BY SOURCES ACTIVE REPLICAS PROXIES SEMI_SYNC NODE_MEMORY NODE_CPUS MYSQL_IMAGE
export PROXYSQL_IMAGE REBUILD NODE FROM TO FORCE DRY_RUN VIA RUNS SQL MAX_RTO MAX_LOST WITHOUT_REPLICA SUBJECT SUBJECTS FAULT FAULTS HARDENED PUBLISH
# Compiled Python is what makes the second call fast.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup engine topology-up topology-down status verify check sql logs switchover failover repoint reshard reshard-abort conflicts resolve drill judge compare campaign clients recover load shard-map shard-query shard-analytics list test test-quick test-unit mutants lint lint-playbooks lint-types lint-files docs format bench lock

help: ## This list, and the topologies there are
	@sed -n 's/^# \{0,1\}//p' Makefile | sed '/^Compiled/d'
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r target text; do \
		printf '  make %-15s %s\n' "$$target" "$$text"; done
	@echo
	@echo 'Topologies, one file each in inventories/:'
	@for file in inventories/*.yml; do \
		printf '  %-20s %s\n' "$$(basename "$$file" .yml)" "$$(sed -n '1s/^# *//p' "$$file")"; done

# Looked at by make itself: starting Python takes longer than what make topology-up has to ask of a healthy instance.
CHECKED := .venv/checked-in$(subst /,+,$(CURDIR))
ifeq ($(wildcard $(BIN)/python),)
.PHONY: $(CHECKED)
endif

setup: $(CHECKED)

$(CHECKED): requirements.lock pyproject.toml scripts/bootstrap.py
	@python3 -S scripts/bootstrap.py && touch $@

engine: setup
	@$(BIN)/wavetank prepare

topology-up: setup ## From a bare machine to a verified topology; on a running one: mend, or change nothing
	@$(BIN)/wavetank up

status: setup ## What runs, who replicates from whom, lag, how to connect; WATCH=1 keeps it on the screen
	@$(BIN)/wavetank status $(if $(WATCH),--watch)

verify: setup ## pytest-testinfra and every check against the running instance
	@$(BIN)/wavetank verify

check: setup ## Every check, side by side, in a second or two; CHECK= asks one of them
	@$(BIN)/wavetank check $(CHECK)

sql: setup ## A mysql client on the server NODE=, as root in its container
	@$(BIN)/wavetank sql

logs: setup ## Follow the log of the server or proxy NODE=, until Ctrl-C
	@$(BIN)/wavetank logs

switchover: setup ## Let the replica TO= take its source's place: in order, nothing lost; DRY_RUN=1 only says how
	@$(BIN)/wavetank switchover

failover: setup ## Replace a source that is gone by a replica that has everything; FORCE=1 although it answers, NODE= which one, DRY_RUN=1
	@$(BIN)/wavetank failover

repoint: setup ## Move the replica NODE= (several with commas) behind TO=; its old source may be dead; DRY_RUN=1 only says how
	@$(BIN)/wavetank repoint

reshard: setup ## Divide the customers among TO= shards while clients write; again goes on where it stopped; WITHOUT_REPLICA=1 though a shard has none
	@$(BIN)/wavetank reshard

reshard-abort: setup ## Take a resharding back that has not been cut over
	@$(BIN)/wavetank reshard-abort

conflicts: setup ## What sources did to the same rows without knowing of each other: found, recorded, listed
	@$(BIN)/wavetank conflicts

resolve: setup ## Let one version win everywhere: STRATEGY=latest-wins, source-wins=<server> or manual
	@$(BIN)/wavetank resolve

drill: setup ## Let a storm loose: DRILL=, also VIA=direct|proxysql|routing STRATEGY= SECOND= SEED= OPERATIONS= MAX_RTO= MAX_LOST=; without DRILL=, list them
	@$(BIN)/wavetank drill $(DRILL)

judge: setup ## Compute a drill's verdict anew from the files in its report's directory: REPORT=
	@$(BIN)/wavetank judge $(REPORT)

compare: engine ## One storm under several settings, in one table: DRILL=, also RUNS=3 SEMI_SYNC=0,1,2 VIA=direct,proxysql,routing
	@$(BIN)/wavetank compare $(DRILL)

campaign: engine ## Many storms drawn from a seed, second faults included: STORMS=100 SEED=1; again goes on; also DRILL= JOBS=1, STORM=<number> for one of them
	@$(BIN)/wavetank campaign

clients: engine ## Client libraries through faults, as a matrix: SUBJECTS= FAULTS= RUNS=1 HARDENED=0|1; one of each explains a cell, LIST=1 lists them, PUBLISH=1 writes docs/clients
	@python3 scripts/bootstrap.py clients
	@$(BIN)/wavetank clients $(if $(LIST),--list)

recover: setup ## End the transactions across shards whose client is gone, as was decided; all shards alike
	@$(BIN)/wavetank shard recover $(if $(OLDER_THAN),--older-than $(OLDER_THAN))

load: setup ## Bring the sample shop to ROWS= orders, the same ones for the same SEED=
	@$(BIN)/wavetank load $(or $(ROWS),10000) $(if $(SEED),--seed $(SEED))

shard-map: setup ## Which shard has which keys, how many rows each holds, and which is spare
	@$(BIN)/wavetank shard map

shard-query: setup ## Ask all shards and merge exactly: SQL='SELECT …'; EXPLAIN=1 says what would go where
	@$(BIN)/wavetank shard query $(if $(EXPLAIN),--explain)

shard-analytics: setup ## Orders, revenue and the average order from the day FROM= to the day TO=, by shard and in all
	@$(BIN)/wavetank shard analytics

list: setup ## The topologies that can be brought up and the instances that have been
	@$(BIN)/wavetank list

topology-down: setup ## Containers, volumes and files of this instance gone, nothing else touched
	@$(BIN)/wavetank down

test: engine ## The project's own tests, in two lanes, from a bare machine; TESTS= names some of them
	@$(PYTEST) $(or $(TESTS),tests)

test-quick: engine ## The tests that need no Docker, and one live topology, in at most three minutes
	@$(PYTEST) tests/unit tests/live --topology=master-slave

test-unit: setup ## The tests that need no Docker, in seconds; PROFILE=nightly draws more, SEED= the same again
	@HYPOTHESIS_PROFILE=$(PROFILE) $(PYTEST) tests/unit $(if $(SEED),--hypothesis-seed=$(SEED))

mutants: setup ## Change the judge in small ways and see its unit tests notice; MODULES= SAMPLE= SEED= JOBS= FRESH=1
	@MODULES="$(MODULES)" SAMPLE=$(SAMPLE) SEED=$(SEED) JOBS=$(JOBS) FRESH=$(FRESH) $(BIN)/python tests/mutants/run.py

lint: setup ## All linters
	@$(MAKE) -j2 --output-sync=target lint-playbooks lint-types lint-files

lint-playbooks:
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint --offline -q

lint-types:
	@$(BIN)/mypy -p wavetank

lint-files:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/yamllint --strict .
	@$(BIN)/shellcheck .ci/run .ci/nightly compose/*.sh compose/images/*.sh benchmarks/*.sh playbooks/roles/*/files/*.sh

docs: setup ## The pages of docs/ as a searchable site in .wavetank/docs/site/; a dead link fails
	@python3 scripts/bootstrap.py docs
	@$(BIN)/python scripts/docs.py

format: setup ## Let the formatter have its way
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: engine ## Measure against the plain way, both sides in one run
	@$(BIN)/python benchmarks/bench.py
	@$(BIN)/python benchmarks/spreading.py
	@$(BIN)/python benchmarks/on_shards.py

lock: setup ## Pin what pyproject.toml asks for anew
	@$(BIN)/pip-compile --quiet --upgrade --extra lab --extra dev --allow-unsafe --strip-extras --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.lock pyproject.toml
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' \
		| $(BIN)/pip-compile --quiet --upgrade --allow-unsafe --strip-extras --generate-hashes --constraint requirements.lock \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements-docs.lock -
	@$(BIN)/pip-compile --quiet --upgrade --extra clients --allow-unsafe --strip-extras --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements-clients.lock pyproject.toml
