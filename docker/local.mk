# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += \
	.dockerignore \
	docker/Dockerfile \
	docker/bridge.conf \
	docker/compose.yaml \
	docker/demo.sh \
	docker/kabridge.conf \
	docker/model.py
