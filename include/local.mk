# SPDX-License-Identifier: Apache-2.0
pkginclude_HEADERS += include/kabridge/function.h
