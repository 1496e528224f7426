# SPDX-License-Identifier: Apache-2.0
pkginclude_HEADERS += \
	include/kabridge/bridge.h \
	include/kabridge/error.h \
	include/kabridge/function.h \
	include/kabridge/kabridge.h
