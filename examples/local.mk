# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += \
	examples/Makefile \
	examples/README.md \
	examples/embed.c \
	examples/embed.conf \
	examples/function-upper.c \
	examples/upper.conf

# Built here as well, so that the tests run what a user would build.
check_PROGRAMS += embed
embed_CPPFLAGS = $(API) $(GLIB_CFLAGS)
embed_SOURCES = examples/embed.c
embed_LDADD = libkabridge.la $(GLIB_LIBS)
