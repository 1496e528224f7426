# SPDX-License-Identifier: Apache-2.0
# Configuration, loader and context, and the modules they are tried with: one
# that is right, and each of the others wrong in one way. They link nothing;
# the program that opens them has what they need.
TEST_MODULES = \
	tests/support/modules/bad-option.la \
	tests/support/modules/fitting.la \
	tests/support/modules/larger-option.la \
	tests/support/modules/larger-struct.la \
	tests/support/modules/newer-minor.la \
	tests/support/modules/no-name.la \
	tests/support/modules/no-process.la \
	tests/support/modules/no-symbol.la \
	tests/support/modules/short-struct.la \
	tests/support/modules/undefined.la \
	tests/support/modules/wrong-major.la
check_LTLIBRARIES += $(TEST_MODULES)
TEST_MODULE_CFLAGS = $(AM_CFLAGS) -Wno-override-init
TEST_MODULE_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared \
	-rpath /nowhere
tests_support_modules_bad_option_la_CPPFLAGS = $(API)
tests_support_modules_bad_option_la_SOURCES = tests/support/modules/bad-option.c
tests_support_modules_bad_option_la_CFLAGS = $(TEST_MODULE_CFLAGS)
tests_support_modules_bad_option_la_LDFLAGS = $(TEST_MODULE_LDFLAGS)
tests_support_modules_fitting_la_CPPFLAGS = $(API)
tests_support_modules_fitting_la_SOURCES = tests/support/modules/fitting.c
tests_support_modules_fitting_la_CFLAGS = $(TEST_MODULE_CFLAGS)
tests_support_modules_fitting_la_LDFLAGS = $(TEST_MODULE_LDFLAGS)
tests_support_modules_larger_option_la_CPPFLAGS = $(API)
tests_support_modules_larger_option_la_SOURCES = tests/support/modules/larger-option.c
tests_support_modules_larger_option_la_CFLAGS = $(TEST_MODULE_CFLAGS)
tests_support_modules_larger_option_la_LDFLAGS = $(TEST_MODULE_LDFLAGS)
tests_support_modules_larger_struct_la_CPPFLAGS = $(API)
tests_support_modules_larger_struct_la_SOURCES = tests/support/modules/larger-struct.c
tests_support_modules_larger_struct_la_CFLAGS = $(TEST_MODULE_CFLAGS)
tests_support_modules_larger_struct_la_LDFLAGS = $(TEST_MODULE_LDFLAGS)
tests_support_modules_newer_minor_la_CPPFLAGS = $(API)
tests_support_modules_newer_minor_la_SOURCES = tests/support/modules/newer-minor.c
tests_support_modules_newer_minor_la_CFLAGS = $(TEST_MODULE_CFLAGS)
tests_support_modules_newer_minor_la_LDFLAGS = $(TEST_MODULE_LDFLAGS)
tests_support_modules_no_name_la_CPPFLAGS = $(API)
tests_support_modules_no_name_la_SOURCES = tests/support/modules/no-name.c
tests_support_modules_no_name_la_CFLAGS = $(TEST_MODULE_CFLAGS)
tests_support_modules_no_name_la_LDFLAGS = $(TEST_MODULE_LDFLAGS)
tests_support_modules_no_process_la_CPPFLAGS = $(API)
tests_support_modules_no_process_la_SOURCES = tests/support/modules/no-process.c
tests_support_modules_no_process_la_CFLAGS = $(TEST_MODULE_CFLAGS)
tests_support_modules_no_process_la_LDFLAGS = $(TEST_MODULE_LDFLAGS)
tests_support_modules_no_symbol_la_CPPFLAGS = $(API)
tests_support_modules_no_symbol_la_SOURCES = tests/support/modules/no-symbol.c
tests_support_modules_no_symbol_la_CFLAGS = $(TEST_MODULE_CFLAGS)
tests_support_modules_no_symbol_la_LDFLAGS = $(TEST_MODULE_LDFLAGS)
tests_support_modules_short_struct_la_CPPFLAGS = $(API)
tests_support_modules_short_struct_la_SOURCES = tests/support/modules/short-struct.c
tests_support_modules_short_struct_la_CFLAGS = $(TEST_MODULE_CFLAGS)
tests_support_modules_short_struct_la_LDFLAGS = $(TEST_MODULE_LDFLAGS)
tests_support_modules_undefined_la_CPPFLAGS = $(API)
tests_support_modules_undefined_la_SOURCES = tests/support/modules/undefined.c
tests_support_modules_undefined_la_CFLAGS = $(TEST_MODULE_CFLAGS)
tests_support_modules_undefined_la_LDFLAGS = $(TEST_MODULE_LDFLAGS)
tests_support_modules_wrong_major_la_CPPFLAGS = $(API)
tests_support_modules_wrong_major_la_SOURCES = tests/support/modules/wrong-major.c
tests_support_modules_wrong_major_la_CFLAGS = $(TEST_MODULE_CFLAGS)
tests_support_modules_wrong_major_la_LDFLAGS = $(TEST_MODULE_LDFLAGS)

# What modules need is in the program, and open to them.
TEST_OPENING_LINK = $(AM_LDFLAGS) -export-dynamic -Wl,-u,kab_batch_complete \
	-Wl,-u,kab_context_log
SETTINGS_LIBS = libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(CMOCKA_LIBS) $(GLIB_LIBS) $(RDKAFKA_LIBS)
SETTINGS_TESTS = test-context test-loader test-settings
check_PROGRAMS += $(SETTINGS_TESTS)
TESTS += $(SETTINGS_TESTS)

test_context_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS)
test_context_SOURCES = tests/unit/test-context.c
test_context_LDADD = $(SETTINGS_LIBS)

test_loader_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS)
test_loader_SOURCES = tests/unit/test-loader.c
test_loader_LDFLAGS = $(TEST_OPENING_LINK)
test_loader_LDADD = $(SETTINGS_LIBS)

test_settings_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS)
test_settings_SOURCES = tests/unit/test-settings.c tests/unit/wrong-settings.h
test_settings_LDFLAGS = $(TEST_OPENING_LINK)
test_settings_LDADD = $(SETTINGS_LIBS)

# The module's own source, as if the program were its host.
check_PROGRAMS += test-delay
TESTS += test-delay
test_delay_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS)
test_delay_SOURCES = tests/unit/test-delay.c plugin/functions/delay.c
test_delay_LDADD = $(SETTINGS_LIBS) -lpthread

check_PROGRAMS += test-binding
TESTS += test-binding
test_binding_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS)
test_binding_SOURCES = tests/unit/test-binding.c
test_binding_LDADD = $(SETTINGS_LIBS) -lm
