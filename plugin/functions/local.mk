# SPDX-License-Identifier: Apache-2.0
module_LTLIBRARIES += identity.la
identity_la_CPPFLAGS = $(API)
identity_la_SOURCES = plugin/functions/identity.c
identity_la_LDFLAGS = $(MODULE_LDFLAGS)
identity_la_LIBADD = libkabridge.la

module_LTLIBRARIES += delay.la
delay_la_CPPFLAGS = $(API)
delay_la_SOURCES = plugin/functions/delay.c
delay_la_LDFLAGS = $(MODULE_LDFLAGS)
delay_la_LIBADD = libkabridge.la -lpthread
