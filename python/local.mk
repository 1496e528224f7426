# SPDX-License-Identifier: Apache-2.0
# The package goes beside the bridge, which puts it on the PYTHONPATH of the
# commands that the function worker starts. The build tree has it by a link.
workerpythondir = $(pkgdatadir)/python/kabridge
dist_workerpython_DATA = \
	python/kabridge/__init__.py \
	python/kabridge/__main__.py \
	python/kabridge/check.py \
	python/kabridge/failures.py \
	python/kabridge/frames.py \
	python/kabridge/py.typed \
	python/kabridge/records.py \
	python/kabridge/runner.py \
	python/kabridge/session.py \
	python/kabridge/single.py \
	python/kabridge/version.py

all-local: python-link
clean-local: python-unlink
.PHONY: python-link python-unlink
python-link:
	@test -e python || $(LN_S) $(abs_top_srcdir)/python python
python-unlink:
	@test ! -L python || rm -f python
