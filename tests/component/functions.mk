# SPDX-License-Identifier: Apache-2.0
HTTP_TESTS = \
	tests/component/http-faults.sh \
	tests/component/http-options.sh \
	tests/component/http-servers.sh
dist_check_SCRIPTS += $(HTTP_TESTS)
TESTS += $(HTTP_TESTS)
EXTRA_DIST += \
	tests/component/http-faults.py \
	tests/component/http-options.py \
	tests/component/http-servers.py \
	tests/component/http_model.py \
	tests/component/http_try.py \
	tests/component/scripted_server.py \
	tests/support/model-server.py
check_PROGRAMS += sqlite-run
sqlite_run_CPPFLAGS = $(SQLITE_CFLAGS)
sqlite_run_SOURCES = tests/support/sqlite-run.c
sqlite_run_LDADD = $(SQLITE_LIBS)

check_PROGRAMS += mock-cluster
mock_cluster_CPPFLAGS = $(OPS_UNIT_CPPFLAGS)
mock_cluster_SOURCES = tests/support/mock-cluster.c
mock_cluster_LDADD = $(MOCK_LIBS)

dist_check_SCRIPTS += tests/component/sql.sh
TESTS += tests/component/sql.sh

# With a PostgreSQL, XGBoost, C++ and Rust: script/test functions.
EXTRA_DIST += \
	bench/sql.sh \
	tests/functions/in-process.sh \
	tests/functions/sql-bridge.sh \
	tests/functions/sql-postgres.sh \
	tests/support/postgres.sh
