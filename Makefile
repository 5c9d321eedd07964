# Kassette: plain GNU make. `make help` lists the targets; everything built goes to build/.
#
# Knobs: SANITIZE=address,undefined   DEVELOPER=1 (-Werror)   V=1 (commands in full)
#        CC=clang   PREFIX=/usr/local   DESTDIR=   FUZZ_SECONDS=30   CLUSTER=sandbox|real

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo 0.1.0)
CC := gcc
AR := ar
PREFIX := /usr/local
DESTDIR :=
SANITIZE :=
DEVELOPER :=
V :=
FUZZ_SECONDS := 30
CLUSTER := sandbox

ifeq ($(V),)
Q := @
say = @printf '  %-7s %s\n' $(1) $(2)
else
Q :=
say = @:
endif

comma := ,
variant := $(CC)$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))$(if $(DEVELOPER),-dev)
B := build/$(variant)

packages := lua5.4 libcurl yaml-0.1 libcjson libgit2 libpcre2-8 openssl gnutls zlib libzstd \
	libmicrohttpd
depends_cflags := $(shell pkg-config --cflags $(packages) 2>/dev/null)
depends_libs := $(shell pkg-config --libs $(packages) 2>/dev/null) -lwslay -lm -lpthread

cflags := -std=gnu11 -O2 -g -fno-omit-frame-pointer -fstack-protector-strong -fPIE \
	-D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -Iengine -I$(B)/generated \
	-include engine/base/banned.h $(depends_cflags) \
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wno-format-nonliteral \
	-Wno-unused-parameter $(if $(DEVELOPER)$(SANITIZE),-Werror)
ldflags := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
ifneq ($(SANITIZE),)
cflags += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -U_FORTIFY_SOURCE -Og -g1
ldflags += -fsanitize=$(SANITIZE)
endif

# A layer is a folder; one that has grown has rooms, which are folders in it.
sources := $(sort $(wildcard engine/*/*.c engine/*/*/*.c))
main_object := $(B)/engine/cmd/main.o
library_objects := $(filter-out $(main_object),$(sources:%.c=$(B)/%.o))
library := $(B)/libkassette.a
program := $(B)/kassette
headers := $(sort $(wildcard engine/*/*.h engine/*/*/*.h tests/*/*.h tests/*/*/*.h))

# Compiled into the binary: the standard library with its types and the skeleton of a blueprint, the
# blueprints, and what the sandbox begins with (engine/lua/embedded.h).
embedded_sources := $(sort $(shell find lua -type f 2>/dev/null; \
	find blueprints -name blueprint.lua 2>/dev/null; \
	find engine/sandbox/bootstrap engine/sandbox/images engine/sandbox/manifests engine/sandbox/openapi \
	deploy/crds deploy/namespace.yaml -type f))
embedded_objects := $(B)/generated/embedded.o

# tests/unit/test_*.c are programs; the other files there are helpers that all of them may use.
unit_tests := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/unit/test_*.c)))
# Those that take longest are begun first.
unit_long := $(patsubst %,$(B)/tests/unit/test_%,source world lua_host)
unit_helpers := $(patsubst %.c,$(B)/%.o, \
	$(filter-out $(wildcard tests/unit/test_*.c),$(sort $(wildcard tests/unit/*.c))))
fuzz_names := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
# The storage of the real cluster is one program.
dircsi := $(B)/tests/cluster/storage/dircsi
dircsi_objects := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard tests/cluster/storage/*.c)))
# The crash matrix: a driver, and a database that runs in its cluster.
crash := $(B)/tests/crash/crash
crash_database := $(B)/tests/crash/database
crash_objects := $(patsubst %.c,$(B)/%.o, \
	$(filter-out tests/crash/database.c,$(sort $(wildcard tests/crash/*.c))))
test_sources := $(sort $(wildcard tests/unit/*.c tests/fuzz/*.c tests/bench/*.c \
	tests/cluster/storage/*.c tests/crash/*.c))

##@ Build

.PHONY: help
help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z][a-z-]*:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: all
all: $(if $(wildcard engine/cmd/main.c),$(program)) $(library) ## build the engine (the default)

.PHONY: deps
deps: ## install the Debian packages that building and testing need
	@tests/deps tests/packages.txt

# A build without its libraries would fail with a missing header; this says what to do instead.
.PHONY: toolchain
toolchain:
	@pkg-config --exists $(packages) || { \
		echo "make: a library or pkg-config itself is missing: run \`make deps\` first" >&2; \
		pkg-config --print-errors --exists $(packages); exit 1; }

$(B)/%.o: %.c Makefile | toolchain
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(cflags) -DKST_VERSION='"$(VERSION)"' -MMD -MP -c -o $@ $<

$(B)/tests/%.o: cflags += -Itests

$(library): $(library_objects) $(embedded_objects)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(program): $(main_object) $(library)
	$(call say,LD,$@)
	$(Q)$(CC) $(ldflags) -o $@ $< $(library) $(depends_libs)
	$(Q)ln -sfn $(variant)/kassette build/kassette

# A file whose content changes only when what it says does: what depends on it is then rebuilt.
define record =
@mkdir -p $(@D)
@printf '%s\n' $(1) > $@.$$$$; \
	if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi
endef

.PHONY: force
$(B)/generated/version: force
	$(call record,'$(VERSION)')
$(patsubst %.c,$(B)/%.o,$(shell grep -ls KST_VERSION $(sources) /dev/null)): $(B)/generated/version

$(B)/generated/embedded.list: force
	$(call record,$(embedded_sources))
$(B)/generated/embedded.c: engine/lua/embed.sh $(B)/generated/embedded.list $(embedded_sources)
	$(call say,EMBED,$@)
	$(Q)engine/lua/embed.sh $(embedded_sources) > $@
$(embedded_objects): $(B)/generated/embedded.c engine/lua/embedded.h Makefile | toolchain
	$(Q)$(CC) $(cflags) -c -o $@ $<

.PHONY: install
install: $(program) ## install under $(DESTDIR)$(PREFIX): program, plugin, man page, completion
	install -D -m 755 $(program) $(DESTDIR)$(PREFIX)/bin/kassette
	ln -sfn kassette $(DESTDIR)$(PREFIX)/bin/kubectl-kassette
	$(call install_files,docs/kassette.1,share/man/man1)
	$(call install_files,docs/completion/kassette.bash,share/bash-completion/completions)
	$(call install_files,docs/completion/_kassette,share/zsh/site-functions)
	$(call install_files,lua/types/*.lua,share/kassette/types)
install_files = $(foreach file,$(wildcard $(1)), \
	install -D -m 644 $(file) $(DESTDIR)$(PREFIX)/$(2)/$(notdir $(file:.bash=))$(newline))
define newline


endef

.PHONY: clean
clean: ## remove build/
	rm -rf build

##@ Test

.PHONY: test
test: ## everything that needs neither a network nor a cluster, with the sanitizers on
	@tests/deps tests/packages.txt
	+@MAKE='$(MAKE)' tests/run lint+selftest hdr-check warnings test-sandbox+test-crash-sample \
		test-unit test-replay

.PHONY: test-sandbox
test-sandbox: ## the embedded cluster: what the real API server answered, and what kubectl shows
	@tests/deps tests/packages.txt
	+@$(MAKE) all DEVELOPER=1
	@KASSETTE=build/$(CC)-dev/kassette tests/sandbox/run

.PHONY: test-scenarios
test-scenarios: ## the end-to-end scenarios, on the embedded cluster
	@tests/deps tests/packages.txt tests/sandbox/packages.txt
	+@$(MAKE) all
	@tests/sandbox/scenarios

.PHONY: test-cluster
test-cluster: ## the end-to-end scenarios, on a one-node Kubernetes or on $KUBECONFIG
	@tests/deps tests/packages.txt $(wildcard tests/cluster/packages.txt)
	+@$(MAKE) all cluster-tools
	@tests/cluster/run

.PHONY: unit
unit: $(unit_tests) ## the unit tests, built with the knobs given
	@tests/unit/run $(unit_long) $(filter-out $(unit_long),$(unit_tests))

.PHONY: replay
replay: $(fuzz_names:%=$(B)/tests/fuzz/replay_%) ## the fuzz targets over their corpus
	@tests/fuzz/run replay $(B) $(fuzz_names)

.PHONY: test-unit test-replay
test-unit:
	+@$(MAKE) unit SANITIZE=address,undefined
test-replay:
	+@$(MAKE) replay SANITIZE=address,undefined

.PHONY: test-crash test-crash-sample crash-sample
test-crash: $(program) $(crash) $(crash_database) ## kill the engine at requests of backups and restores; ONLY='...', ALL=1
	@mkdir -p build/crash
	@tests/crash/run $(crash) --logs build/crash \
		$(if $(ALL),--all,$(if $(ONLY),,--sample $(CRASH_CASES))) --only '$(ONLY)' \
		$(program) $(crash_database)
# With the objects that `make warnings` has made.
test-crash-sample:
	+@$(MAKE) crash-sample DEVELOPER=1
crash-sample: $(program) $(crash) $(crash_database)
	@mkdir -p build/crash
	@$(crash) --logs build/crash --sample $(CRASH_SAMPLE) $(program) $(crash_database)
ONLY :=
ALL :=
CRASH_SAMPLE := 28
CRASH_CASES := 1000

.PHONY: fuzz fuzz-run
fuzz: ## fuzz every parser for FUZZ_SECONDS each (clang)
	+@$(MAKE) fuzz-run CC=clang SANITIZE=fuzzer-no-link,address,undefined
fuzz-run: $(fuzz_names:%=$(B)/tests/fuzz/fuzz_%)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run fuzz $(B) $(fuzz_names)

.PHONY: bench
bench: ## measure on a one-node Kubernetes, and print medians and ratios
	@tests/deps tests/packages.txt $(wildcard tests/cluster/packages.txt)
	+@$(MAKE) all cluster-tools $(B)/tests/bench/cuts
	@ln -sfn $(variant)/tests/bench/cuts build/bench-cuts
	@tests/bench/run

$(B)/tests/bench/%: $(B)/tests/bench/%.o $(library)
	$(call say,LD,$@)
	$(Q)$(CC) $(ldflags) -o $@ $^ $(depends_libs)

$(B)/tests/unit/helpers.a: $(unit_helpers)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(library) $(if $(unit_helpers),$(B)/tests/unit/helpers.a)
	$(call say,LD,$@)
	$(Q)$(CC) $(ldflags) -o $@ $(filter-out $(library),$^) $(library) $(depends_libs) -lcmocka

.PHONY: cluster-tools
cluster-tools: $(dircsi)
$(dircsi): $(dircsi_objects) $(library)
	$(call say,LD,$@)
	$(Q)$(CC) $(ldflags) -o $@ $^ $(depends_libs)
	$(Q)ln -sfn $(variant)/tests/cluster/storage/dircsi build/dircsi

$(crash): $(crash_objects) $(library)
	$(call say,LD,$@)
	$(Q)$(CC) $(ldflags) -o $@ $^ $(depends_libs)
$(crash_database): $(crash_database).o
	$(call say,LD,$@)
	$(Q)$(CC) $(ldflags) -o $@ $^

$(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(library)
	$(call say,LD,$@)
	$(Q)$(CC) $(ldflags) -o $@ $^ $(depends_libs)

$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(library)
	$(call say,LD,$@)
	$(Q)$(CC) $(ldflags) -fsanitize=fuzzer -o $@ $^ $(depends_libs)

##@ Keep it tidy

.PHONY: lint
lint: ## layers, sizes, banned functions, format, Lua and shell scripts (tests/lint/)
	@tests/lint/run

# The lint and the runners of the tests are themselves tested.
.PHONY: selftest
selftest:
	@tests/lint/selftest
	@tests/selftest
	@tests/scenarios/lib/compare-selftest

.PHONY: format
format: ## format the C files
	@find engine tests -name '*.[ch]' -exec clang-format -i {} +

.PHONY: format-check
format-check: ## say which C files are not formatted
	@tests/lint/run --only format

.PHONY: hdr-check
hdr-check: toolchain ## compile each header alone, with gcc and clang
	@tests/lint/compile headers '$(cflags) -Werror' $(headers)

.PHONY: warnings
warnings: toolchain ## build with gcc and check with clang, every warning an error
	+@$(MAKE) DEVELOPER=1 CC=gcc developer-build
	@tests/lint/compile sources '$(cflags) -Itests -Werror -DKST_VERSION=\"\"' \
		$(sources) $(test_sources)

# The unit tests' own files are compiled as strictly by test-unit.
.PHONY: developer-build
developer-build: all $(crash) $(crash_database) \
	$(patsubst %.c,$(B)/%.o,$(filter-out tests/unit/%,$(test_sources)))

##@ Use

.PHONY: demo
demo: ## a database backed up, its namespace deleted, and brought back (CLUSTER=real: on a one-node Kubernetes)
	@tests/deps tests/packages.txt tests/$(if $(filter real,$(CLUSTER)),cluster,sandbox)/packages.txt
	+@$(MAKE) all $(if $(filter real,$(CLUSTER)),cluster-tools)
	@tests/demo $(CLUSTER)

.PHONY: image
image: all ## build the container image
	@deploy/build-image

-include $(patsubst %.o,%.d,$(library_objects) $(main_object) $(test_sources:%.c=$(B)/%.o))
