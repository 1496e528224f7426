# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += \
	tests/kafka/broker.py \
	tests/kafka/pom.xml
