# The roles, and below them what they stand on; each archive before those it needs.
AG_ROLE_LIBS = \
	src/worker/libworker.a \
	src/flusher/libflusher.a \
	src/control/libcontrol.a \
	src/telemetry/libtelemetry.a \
	src/translate/libtranslate.a \
	src/policy/libpolicy.a \
	src/provider/libprovider.a \
	src/http/libhttp.a \
	src/catalog/libcatalog.a \
	src/limit/liblimit.a
AG_MASTER_LIBS = \
	src/sandbox/libsandbox.a \
	src/conf/libconf.a \
	src/shm/libshm.a \
	src/base/libbase.a

sbin_PROGRAMS += aigated
aigated_SOURCES = \
	src/master/backoff.c src/master/backoff.h \
	src/master/child.c src/master/child.h \
	src/master/daemon.c src/master/daemon.h \
	src/master/dump.c src/master/dump.h \
	src/master/main.c \
	src/master/master.h \
	src/master/predecessor.c src/master/predecessor.h \
	src/master/sockets.c src/master/sockets.h \
	src/master/start.c \
	src/master/supervise.c
aigated_LDFLAGS = $(HARDEN_LDFLAGS) $(LTO_LDFLAGS)
aigated_LDADD = $(AG_ROLE_LIBS) $(AG_MASTER_LIBS) \
	$(EVENT_LIBS) $(JSONC_LIBS) $(PQ_LIBS) $(CURL_LIBS) $(SSL_LIBS)
EXTRA_DIST += src/master/README.md

check_PROGRAMS += tests/unit/test_backoff
TESTS += tests/unit/test_backoff
tests_unit_test_backoff_SOURCES = tests/unit/test_backoff.c tests/unit/tap.h \
	src/master/backoff.c src/master/backoff.h
EXTRA_DIST += tests/system/test_001_boot.py

check_PROGRAMS += tests/unit/test_predecessor
TESTS += tests/unit/test_predecessor
tests_unit_test_predecessor_SOURCES = tests/unit/test_predecessor.c tests/unit/tap.h \
	src/master/predecessor.c src/master/predecessor.h
tests_unit_test_predecessor_LDADD = src/shm/libshm.a src/base/libbase.a $(SSL_LIBS)
