noinst_LIBRARIES += src/conf/libconf.a
src_conf_libconf_a_SOURCES = \
	src/conf/conf.c src/conf/conf.h \
	src/conf/directive.c src/conf/directive.h \
	src/conf/lex.c src/conf/lex.h \
	src/conf/listen.c src/conf/listen.h \
	src/conf/print.c
EXTRA_DIST += src/conf/README.md

check_PROGRAMS += tests/unit/test_conf tests/fuzz/fuzz_conf
TESTS += tests/unit/test_conf
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c tests/unit/tap.h
tests_unit_test_conf_LDADD = src/conf/libconf.a src/base/libbase.a $(SSL_LIBS)
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c
tests_fuzz_fuzz_conf_LDADD = src/conf/libconf.a src/base/libbase.a $(SSL_LIBS)
if FUZZING
tests_fuzz_fuzz_conf_CPPFLAGS = $(AM_CPPFLAGS) -DAG_FUZZING
tests_fuzz_fuzz_conf_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
tests_fuzz_fuzz_conf_CPPFLAGS = $(AM_CPPFLAGS)
TESTS += tests/fuzz/fuzz_conf
endif
EXTRA_DIST += tests/fuzz/corpus/conf
