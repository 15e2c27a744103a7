# The tree's own rules.  check-layers, check-headers and check-dist are part of make check.
AM_TESTS_ENVIRONMENT = CC='$(CC)'; export CC; \
	AG_LIB_CFLAGS='$(EVENT_CFLAGS) $(JSONC_CFLAGS) $(PQ_CFLAGS) $(CURL_CFLAGS) $(SSL_CFLAGS) $(YAML_CFLAGS)'; \
	export AG_LIB_CFLAGS;
TESTS += tests/lint/check_layers.sh tests/lint/check_headers.sh tests/lint/check_dist.sh
EXTRA_DIST += \
	tests/lint/layers \
	tests/lint/check_layers.sh \
	tests/lint/check_headers.sh \
	tests/lint/check_dist.sh \
	tests/lint/cppcheck.h \
	tests/lint/cppcheck.supp \
	tests/lint/layout.sh \
	tests/lint/lint.sh
CLEANFILES += tidy.flags tidy.log

.PHONY: check-layers check-headers lint
check-layers:
	srcdir='$(srcdir)' $(srcdir)/tests/lint/check_layers.sh
check-headers:
	$(AM_TESTS_ENVIRONMENT) srcdir='$(srcdir)' $(srcdir)/tests/lint/check_headers.sh
lint:
	$(AM_TESTS_ENVIRONMENT) srcdir='$(srcdir)' builddir='$(abs_builddir)' $(srcdir)/tests/lint/lint.sh
