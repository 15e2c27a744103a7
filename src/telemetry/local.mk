noinst_LIBRARIES += src/telemetry/libtelemetry.a
src_telemetry_libtelemetry_a_SOURCES = \
	src/telemetry/access.c src/telemetry/access.h \
	src/telemetry/collector.c src/telemetry/collector.h \
	src/telemetry/export.c src/telemetry/export.h \
	src/telemetry/json.c src/telemetry/json.h \
	src/telemetry/span.c src/telemetry/span.h \
	src/telemetry/telemetry.c src/telemetry/telemetry.h
EXTRA_DIST += src/telemetry/README.md

check_PROGRAMS += tests/unit/test_access
TESTS += tests/unit/test_access
tests_unit_test_access_SOURCES = tests/unit/test_access.c tests/unit/tap.h
telemetry_libs = src/telemetry/libtelemetry.a src/conf/libconf.a src/shm/libshm.a \
	src/http/libhttp.a src/base/libbase.a $(EVENT_LIBS) $(JSONC_LIBS) $(CURL_LIBS) $(SSL_LIBS)
tests_unit_test_access_LDADD = $(telemetry_libs)
check_PROGRAMS += tests/unit/test_span
TESTS += tests/unit/test_span
tests_unit_test_span_SOURCES = tests/unit/test_span.c tests/unit/tap.h
tests_unit_test_span_LDADD = $(telemetry_libs)
