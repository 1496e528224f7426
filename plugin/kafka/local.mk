# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libkab-kafka.la
libkab_kafka_la_CPPFLAGS = $(KAFKA)
libkab_kafka_la_LIBADD = $(RDKAFKA_LIBS) $(GLIB_LIBS)
libkab_kafka_la_SOURCES = \
	plugin/kafka/committed.c \
	plugin/kafka/committed.h \
	plugin/kafka/edge.h \
	plugin/kafka/health.c \
	plugin/kafka/health.h \
	plugin/kafka/letter.c \
	plugin/kafka/letter.h \
	plugin/kafka/limits-topic.c \
	plugin/kafka/limits-topic.h \
	plugin/kafka/message.c \
	plugin/kafka/mock.c \
	plugin/kafka/mock.h \
	plugin/kafka/probe.c \
	plugin/kafka/probe.h \
	plugin/kafka/producer-client.c \
	plugin/kafka/producer-client.h \
	plugin/kafka/producer-duty.c \
	plugin/kafka/producer-internal.h \
	plugin/kafka/producer-open.c \
	plugin/kafka/producer-produce.c \
	plugin/kafka/producer-report.c \
	plugin/kafka/producer-setup.c \
	plugin/kafka/producer.c \
	plugin/kafka/producer.h \
	plugin/kafka/properties-known.c \
	plugin/kafka/properties-known.h \
	plugin/kafka/properties-try.c \
	plugin/kafka/properties.c \
	plugin/kafka/properties.h \
	plugin/kafka/rdkafka-auto.h \
	plugin/kafka/refusal.c \
	plugin/kafka/refusal.h \
	plugin/kafka/source-commit.c \
	plugin/kafka/source-group.c \
	plugin/kafka/source-internal.h \
	plugin/kafka/source-load.c \
	plugin/kafka/source-missing.c \
	plugin/kafka/source-rebalance.c \
	plugin/kafka/source-take.c \
	plugin/kafka/source-topics.c \
	plugin/kafka/source.c \
	plugin/kafka/source.h \
	plugin/kafka/transaction.c \
	plugin/kafka/transaction.h
