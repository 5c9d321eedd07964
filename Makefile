# Kassette: plain GNU make. `make help` lists the targets; objects go to build/.
#
# Knobs: SANITIZE=address,undefined   DEVELOPER=1 (-Werror and more)   V=1 (commands in full)
#        CC=clang   PREFIX=/usr/local   DESTDIR=

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo 0.1.0)
CC := gcc
AR := ar
PREFIX := /usr/local
DESTDIR :=
SANITIZE :=
DEVELOPER :=
V :=

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

packages := lua5.4 libcurl yaml-0.1 libcjson libgit2 libpcre2-8 openssl
depends_cflags := $(shell pkg-config --cflags $(packages) 2>/dev/null)
depends_libs := $(shell pkg-config --libs $(packages) 2>/dev/null) -lwslay -lm -lpthread

cflags := -std=gnu11 -O2 -g -fno-omit-frame-pointer -fstack-protector-strong -fPIE \
	-D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -Iengine -I$(B)/generated \
	-include engine/base/banned.h $(depends_cflags) \
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wno-format-nonliteral \
	-Wno-unused-parameter $(if $(DEVELOPER),-Werror)
ldflags := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
ifneq ($(SANITIZE),)
cflags += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -U_FORTIFY_SOURCE -O1
ldflags += -fsanitize=$(SANITIZE)
endif

sources := $(sort $(wildcard engine/*/*.c))
library_objects := $(patsubst %.c,$(B)/%.o,$(filter-out engine/cmd/main.c,$(sources)))
library := $(B)/libkassette.a
program := $(B)/kassette
unit_tests := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(sort $(wildcard tests/unit/test_*.c)))


##@ Build
.PHONY: all
all: $(program) ## build the engine (the default)

$(B)/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(cflags) -DKST_VERSION='"$(VERSION)"' -MMD -MP -c -o $@ $<

$(library): $(library_objects) $(embedded_objects)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(program): $(B)/engine/cmd/main.o $(library)
	$(call say,LD,$@)
	$(Q)$(CC) $(ldflags) -o $@ $< $(library) $(depends_libs)
	$(Q)ln -sfn $(variant)/kassette build/kassette

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(library)
	$(call say,LD,$@)
	$(Q)$(CC) $(ldflags) -o $@ $< $(library) $(depends_libs) -lcmocka

.PHONY: unit
unit: $(unit_tests) ## build and run the unit tests
	$(Q)set -e; for test in $(unit_tests); do $$test; done

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: help
help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z][a-z-]*:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

-include $(patsubst %.o,%.d,$(library_objects) $(B)/engine/cmd/main.o)
