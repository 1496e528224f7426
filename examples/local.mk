# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += \
	examples/Makefile \
	examples/README.md \
	examples/embed.c \
	examples/embed.conf \
	examples/function-reverse.rs \
	examples/function-square.cpp \
	examples/function-upper.c \
	examples/function-xgboost.c \
	examples/function.hpp \
	examples/reverse.conf \
	examples/square.conf \
	examples/train.c \
	examples/xgboost.conf \
	examples/upper.conf

# Built here as well, so that the tests run what a user would build.
check_PROGRAMS += embed
embed_CPPFLAGS = $(API) $(GLIB_CFLAGS)
embed_SOURCES = examples/embed.c
embed_LDADD = libkabridge.la $(GLIB_LIBS)

# Folders with a run.sh, which a test runs.
EXTRA_DIST += \
	examples/embeddings \
	examples/filter \
	examples/http-envelope \
	examples/lookup \
	examples/python \
	examples/tabular
