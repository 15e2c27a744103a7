noinst_LIBRARIES += src/catalog/libcatalog.a
src_catalog_libcatalog_a_SOURCES = \
	src/catalog/catalog.c src/catalog/catalog.h \
	src/catalog/catalog_build.c src/catalog/catalog_build.h \
	src/catalog/check.c src/catalog/check.h \
	src/catalog/guard.c src/catalog/guard.h \
	src/catalog/index.h src/catalog/layout.h \
	src/catalog/rules.c src/catalog/rules.h
EXTRA_DIST += src/catalog/README.md

check_PROGRAMS += tests/unit/test_catalog
TESTS += tests/unit/test_catalog
tests_unit_test_catalog_SOURCES = tests/unit/test_catalog.c tests/unit/tap.h
tests_unit_test_catalog_LDADD = src/catalog/libcatalog.a src/base/libbase.a $(SSL_LIBS)
