noinst_LIBRARIES += src/base/libbase.a
src_base_libbase_a_SOURCES = \
	src/base/addr.c src/base/addr.h \
	src/base/arena.c src/base/arena.h \
	src/base/atomic.h src/base/attr.h \
	src/base/buf.c src/base/buf.h \
	src/base/clock.c src/base/clock.h \
	src/base/crash.c src/base/crash.h \
	src/base/err.c src/base/err.h \
	src/base/fd.c src/base/fd.h \
	src/base/hash.c src/base/hash.h \
	src/base/json.h src/base/json_weight.c src/base/json_weight.h \
	src/base/list.h \
	src/base/locked.c src/base/locked.h \
	src/base/log.c src/base/log.h \
	src/base/mask.h \
	src/base/money.c src/base/money.h \
	src/base/num.c src/base/num.h \
	src/base/pattern.c src/base/pattern.h \
	src/base/schedule.c src/base/schedule.h \
	src/base/scope.c src/base/scope.h \
	src/base/str.c src/base/str.h \
	src/base/title.c src/base/title.h \
	src/base/utf8.c src/base/utf8.h \
	src/base/vault.c \
	src/base/warm.h \
	src/base/wiping.c src/base/wiping.h
EXTRA_DIST += src/base/README.md

check_PROGRAMS += tests/unit/test_vault
TESTS += tests/unit/test_vault
tests_unit_test_vault_SOURCES = tests/unit/test_vault.c tests/unit/tap.h
tests_unit_test_vault_LDADD = src/base/libbase.a $(SSL_LIBS)

check_PROGRAMS += tests/unit/test_hash
TESTS += tests/unit/test_hash
tests_unit_test_hash_SOURCES = tests/unit/test_hash.c tests/unit/tap.h
tests_unit_test_hash_LDADD = src/base/libbase.a $(SSL_LIBS)

check_PROGRAMS += tests/unit/test_num
TESTS += tests/unit/test_num
tests_unit_test_num_SOURCES = tests/unit/test_num.c tests/unit/tap.h
tests_unit_test_num_LDADD = src/base/libbase.a $(SSL_LIBS)

check_PROGRAMS += tests/unit/test_str
TESTS += tests/unit/test_str
tests_unit_test_str_SOURCES = tests/unit/test_str.c tests/unit/tap.h
tests_unit_test_str_LDADD = src/base/libbase.a $(SSL_LIBS)

check_PROGRAMS += tests/unit/test_wiping
TESTS += tests/unit/test_wiping
tests_unit_test_wiping_SOURCES = tests/unit/test_wiping.c tests/unit/tap.h
tests_unit_test_wiping_LDADD = src/base/libbase.a $(SSL_LIBS)

check_PROGRAMS += tests/unit/test_addr
TESTS += tests/unit/test_addr
tests_unit_test_addr_SOURCES = tests/unit/test_addr.c tests/unit/tap.h
tests_unit_test_addr_LDADD = src/base/libbase.a $(SSL_LIBS)

check_PROGRAMS += tests/unit/test_pattern
TESTS += tests/unit/test_pattern
tests_unit_test_pattern_SOURCES = tests/unit/test_pattern.c tests/unit/tap.h
tests_unit_test_pattern_LDADD = src/base/libbase.a $(SSL_LIBS)

check_PROGRAMS += tests/unit/test_utf8
TESTS += tests/unit/test_utf8
tests_unit_test_utf8_SOURCES = tests/unit/test_utf8.c tests/unit/tap.h
tests_unit_test_utf8_LDADD = src/base/libbase.a $(SSL_LIBS)
