# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libkab-kafka.la
libkab_kafka_la_CPPFLAGS = $(KAFKA)
libkab_kafka_la_LIBADD = $(RDKAFKA_LIBS) $(GLIB_LIBS)
libkab_kafka_la_SOURCES = \
	plugin/kafka/allowance.h \
	plugin/kafka/api-keys.h \
	plugin/kafka/committed.c \
	plugin/kafka/committed.h \
	plugin/kafka/edge.c \
	plugin/kafka/edge.h \
	plugin/kafka/edit-distance.c \
	plugin/kafka/edit-distance.h \
	plugin/kafka/health.c \
	plugin/kafka/health.h \
	plugin/kafka/internal-topics.c \
	plugin/kafka/internal-topics.h \
	plugin/kafka/letter.c \
	plugin/kafka/letter.h \
	plugin/kafka/message.c \
	plugin/kafka/message.h \
	plugin/kafka/mock.c \
	plugin/kafka/mock.h \
	plugin/kafka/offsets.c \
	plugin/kafka/offsets.h \
	plugin/kafka/probe.c \
	plugin/kafka/probe.h \
	plugin/kafka/producer-client.c \
	plugin/kafka/producer-client.h \
	plugin/kafka/producer-duty.c \
	plugin/kafka/producer-internal.h \
	plugin/kafka/producer-open.c \
	plugin/kafka/producer-output.h \
	plugin/kafka/producer-produce.c \
	plugin/kafka/producer-refuse.c \
	plugin/kafka/producer-report.c \
	plugin/kafka/producer-setup.c \
	plugin/kafka/producer.c \
	plugin/kafka/producer.h \
	plugin/kafka/properties-known.c \
	plugin/kafka/properties-known.h \
	plugin/kafka/properties-try.c \
	plugin/kafka/properties.c \
	plugin/kafka/properties.h \
	plugin/kafka/quirks.c \
	plugin/kafka/quirks.h \
	plugin/kafka/rdkafka-auto.h \
	plugin/kafka/record-layout.h \
	plugin/kafka/refusal.c \
	plugin/kafka/refusal.h \
	plugin/kafka/source-commit.c \
	plugin/kafka/source-group.c \
	plugin/kafka/source-internal.h \
	plugin/kafka/source-leave.c \
	plugin/kafka/source-load.c \
	plugin/kafka/source-missing.c \
	plugin/kafka/source-ready.c \
	plugin/kafka/source-rebalance.c \
	plugin/kafka/source-take.c \
	plugin/kafka/source-topics.c \
	plugin/kafka/source.c \
	plugin/kafka/source.h \
	plugin/kafka/topic-limits.c \
	plugin/kafka/topic-limits.h \
	plugin/kafka/transaction.c \
	plugin/kafka/transaction.h
