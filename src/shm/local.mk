noinst_LIBRARIES += src/shm/libshm.a
src_shm_libshm_a_SOURCES = \
	src/shm/blob_units.c src/shm/blob_units.h \
	src/shm/body_ring.c src/shm/body_ring.h \
	src/shm/catalog_area.c src/shm/catalog_area.h \
	src/shm/counters.c src/shm/counters.h \
	src/shm/crash_point.h \
	src/shm/explain.c src/shm/explain.h \
	src/shm/histogram.c src/shm/histogram.h \
	src/shm/keytab.c src/shm/keytab.h \
	src/shm/keytab_writer.c \
	src/shm/metertab.c src/shm/metertab.h \
	src/shm/event_ring.c src/shm/event_ring.h \
	src/shm/record.c src/shm/record_name.c src/shm/record_name.h \
	src/shm/objtab.c src/shm/objtab.h \
	src/shm/ring.c src/shm/ring.h \
	src/shm/segment.c src/shm/segment.h \
	src/shm/words.h
EXTRA_DIST += src/shm/README.md

check_PROGRAMS += \
	tests/unit/test_body_ring tests/unit/test_catalog_area tests/unit/test_explain tests/unit/test_keytab \
	tests/unit/test_metertab \
	tests/unit/test_ring tests/unit/test_segment
TESTS += \
	tests/unit/test_body_ring tests/unit/test_catalog_area tests/unit/test_explain tests/unit/test_keytab \
	tests/unit/test_metertab \
	tests/unit/test_ring tests/unit/test_segment
shm_libs = src/limit/liblimit.a src/shm/libshm.a src/base/libbase.a $(SSL_LIBS)
tests_unit_test_body_ring_SOURCES = tests/unit/test_body_ring.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_body_ring_LDADD = $(shm_libs)
tests_unit_test_catalog_area_SOURCES = tests/unit/test_catalog_area.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_catalog_area_LDADD = $(shm_libs)
tests_unit_test_explain_SOURCES = tests/unit/test_explain.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_explain_LDADD = $(shm_libs)
tests_unit_test_keytab_SOURCES = tests/unit/test_keytab.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_keytab_LDADD = $(shm_libs)
tests_unit_test_metertab_SOURCES = tests/unit/test_metertab.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_metertab_LDADD = $(shm_libs)
tests_unit_test_ring_SOURCES = tests/unit/test_ring.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_ring_LDADD = $(shm_libs)
tests_unit_test_segment_SOURCES = tests/unit/test_segment.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_segment_LDADD = $(shm_libs)

check_PROGRAMS += tests/unit/test_histogram
TESTS += tests/unit/test_histogram
tests_unit_test_histogram_SOURCES = tests/unit/test_histogram.c tests/unit/tap.h
tests_unit_test_histogram_LDADD = $(shm_libs)

check_PROGRAMS += tests/unit/test_event_ring
TESTS += tests/unit/test_event_ring
tests_unit_test_event_ring_SOURCES = tests/unit/test_event_ring.c tests/unit/tap.h
tests_unit_test_event_ring_LDADD = $(shm_libs)

check_PROGRAMS += tests/unit/test_objtab
TESTS += tests/unit/test_objtab
tests_unit_test_objtab_SOURCES = tests/unit/test_objtab.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_objtab_LDADD = $(shm_libs)
