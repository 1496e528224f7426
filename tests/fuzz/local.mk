# SPDX-License-Identifier: Apache-2.0
# Each target is a file with LLVMFuzzerTestOneInput and a corpus. make check
# runs the corpora; make fuzz looks for new inputs with clang's libFuzzer, for
# FUZZ_SECONDS each. A new target: its name here, its program, its sources.
FUZZ_TARGETS = committed ini json settings value
FUZZ_value = plugin/runtime/options-value.c plugin/runtime/printable.c \
	plugin/kafka/edit-distance.c
FUZZ_ini = $(FUZZ_value) plugin/runtime/ini.c plugin/runtime/ini-expand.c \
	plugin/runtime/small-file.c
FUZZ_settings = $(FUZZ_ini) \
	plugin/runtime/configuration.c \
	plugin/runtime/context.c \
	plugin/runtime/elf-check.c \
	plugin/core/error.c \
	plugin/runtime/loader.c \
	plugin/runtime/log-journal.c \
	plugin/runtime/log-writer.c \
	plugin/runtime/log.c \
	plugin/runtime/options-text.c \
	plugin/runtime/options.c \
	plugin/runtime/settings-binding.c \
	plugin/runtime/settings-check.c \
	plugin/runtime/settings-clients.c \
	plugin/runtime/settings-hint.c \
	plugin/runtime/settings-text.c \
	plugin/runtime/settings.c \
	plugin/runtime/units.c \
	plugin/kafka/properties-known.c \
	plugin/kafka/properties-try.c \
	plugin/kafka/properties.c \
	plugin/kafka/quirks.c
FUZZ_committed = plugin/kafka/committed.c
FUZZ_json = \
	plugin/functions/support/json-check.c \
	plugin/functions/support/json-put.c \
	plugin/functions/support/json-span.c \
	plugin/functions/support/json-text.c

FUZZ_DRIVER = tests/fuzz/driver.c tests/fuzz/fuzz.h
FUZZ_CPPFLAGS = $(RUNTIME) -I$(top_srcdir)/tests/fuzz \
	-I$(top_srcdir)/plugin/functions/support

check_PROGRAMS += fuzz-committed fuzz-ini fuzz-json fuzz-settings fuzz-value
fuzz_ini_CPPFLAGS = $(FUZZ_CPPFLAGS)
fuzz_ini_SOURCES = $(FUZZ_DRIVER) tests/fuzz/fuzz-ini.c
fuzz_ini_LDADD = libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(GLIB_LIBS) -lm
fuzz_settings_CPPFLAGS = $(FUZZ_CPPFLAGS)
fuzz_settings_SOURCES = $(FUZZ_DRIVER) tests/fuzz/fuzz-settings.c
fuzz_settings_LDADD = libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(GLIB_LIBS) $(RDKAFKA_LIBS)
fuzz_value_CPPFLAGS = $(FUZZ_CPPFLAGS)
fuzz_value_SOURCES = $(FUZZ_DRIVER) tests/fuzz/fuzz-value.c
fuzz_value_LDADD = libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(GLIB_LIBS) -lm

fuzz_json_CPPFLAGS = $(FUZZ_CPPFLAGS) $(JANSSON_CFLAGS)
fuzz_json_SOURCES = $(FUZZ_DRIVER) tests/fuzz/fuzz-json.c
fuzz_json_LDADD = libkab-json.la $(GLIB_LIBS) $(JANSSON_LIBS)

fuzz_committed_CPPFLAGS = $(FUZZ_CPPFLAGS)
fuzz_committed_SOURCES = $(FUZZ_DRIVER) tests/fuzz/fuzz-committed.c
fuzz_committed_LDADD = libkab-kafka.la $(GLIB_LIBS)

EXTRA_DIST += script/fuzz tests/fuzz/corpora.sh \
	tests/fuzz/corpus-committed \
	tests/fuzz/corpus-ini \
	tests/fuzz/corpus-json \
	tests/fuzz/corpus-settings \
	tests/fuzz/corpus-value
TESTS += tests/fuzz/corpora.sh

FUZZ_CLANG = clang
FUZZ_SECONDS = 60
FUZZ_FLAGS = -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=undefined -DKAB_MODULE_DIR='"/nowhere"' \
	-DKAB_LIBRARY_DIR='"/nowhere"' -DKAB_LIBRARY_MAJOR='"0"'
FUZZERS = $(FUZZ_TARGETS:%=fuzzer-%)

# What it finds stays in found-TARGET of the build directory.
.PHONY: fuzz
fuzz: $(FUZZERS)
	@set -e; for target in $(FUZZ_TARGETS); do \
	    mkdir -p found-$$target; \
	    ./fuzzer-$$target -max_total_time=$(FUZZ_SECONDS) -verbosity=0 \
	        -print_final_stats=1 -artifact_prefix=found-$$target/ \
	        found-$$target $(srcdir)/tests/fuzz/corpus-$$target; \
	done

fuzzer-%: tests/fuzz/fuzz-%.c FORCE
	$(AM_V_CCLD)$(FUZZ_CLANG) $(FUZZ_FLAGS) $(FUZZ_CPPFLAGS) -o $@ $< \
	    $(addprefix $(srcdir)/,$(FUZZ_$*)) $(GLIB_LIBS) $(RDKAFKA_LIBS) \
	    $(JANSSON_LIBS)
.PHONY: FORCE
CLEANFILES += $(FUZZERS)
