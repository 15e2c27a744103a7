noinst_LIBRARIES += src/telemetry/libtelemetry.a
src_telemetry_libtelemetry_a_SOURCES = \
	src/telemetry/access.c src/telemetry/access.h \
	src/telemetry/json.c src/telemetry/json.h \
	src/telemetry/telemetry.c src/telemetry/telemetry.h
EXTRA_DIST += src/telemetry/README.md

check_PROGRAMS += tests/unit/test_access
TESTS += tests/unit/test_access
tests_unit_test_access_SOURCES = tests/unit/test_access.c tests/unit/tap.h
tests_unit_test_access_LDADD = src/telemetry/libtelemetry.a src/conf/libconf.a src/shm/libshm.a \
	src/base/libbase.a $(EVENT_LIBS) $(JSONC_LIBS) $(SSL_LIBS)
