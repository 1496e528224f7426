# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += kab-kafka-tool
kab_kafka_tool_CPPFLAGS = $(GLIB_CFLAGS) $(RDKAFKA_CFLAGS)
kab_kafka_tool_SOURCES = \
	tests/kafka/check.c \
	tests/kafka/generate.c \
	tests/kafka/group.c \
	tests/kafka/reader.c \
	tests/kafka/record.c \
	tests/kafka/tool.c \
	tests/kafka/tool.h
kab_kafka_tool_LDADD = $(GLIB_LIBS) $(RDKAFKA_LIBS)

EXTRA_DIST += \
	tests/kafka/access.py \
	tests/kafka/acl.py \
	tests/kafka/adaptive.py \
	tests/kafka/bridge.py \
	tests/kafka/broker.py \
	tests/kafka/chaos.py \
	tests/kafka/crowd.py \
	tests/kafka/delivery.py \
	tests/kafka/failure.py \
	tests/kafka/faults.py \
	tests/kafka/groups.py \
	tests/kafka/harness.py \
	tests/kafka/newer.py \
	tests/kafka/pom.xml \
	tests/kafka/producer.py \
	tests/kafka/prove.py \
	tests/kafka/proxy.py \
	tests/kafka/reach.py \
	tests/kafka/repair.py \
	tests/kafka/run.py \
	tests/kafka/servers.py \
	tests/kafka/soak.py \
	tests/kafka/storm.py \
	tests/kafka/wire.py \
	tests/kafka/worker.py \
	script/bootstrap \
	script/build.sh \
	script/demo \
	script/prove \
	script/soak \
	script/test \
	tests/support/c11-threads.c \
	tests/suppressions/tsan.supp

# The function of these tests; loaded by path, never installed.
noinst_LTLIBRARIES += chaos.la
chaos_la_CPPFLAGS = $(API)
chaos_la_SOURCES = tests/kafka/chaos.c
chaos_la_LDFLAGS = $(MODULE_LDFLAGS)
chaos_la_LIBADD = libkabridge.la
