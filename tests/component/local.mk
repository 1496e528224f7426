# SPDX-License-Identifier: Apache-2.0
include tests/component/ops.mk
include tests/component/source.mk
include tests/component/producer.mk
include tests/component/functions.mk
