noinst_LIBRARIES += src/flusher/libflusher.a
src_flusher_libflusher_a_SOURCES = \
	src/flusher/batch.c src/flusher/batch.h \
	src/flusher/bodies.c src/flusher/bodies.h \
	src/flusher/body_batch.c src/flusher/body_batch.h \
	src/flusher/flusher.c src/flusher/flusher.h \
	src/flusher/intake.c \
	src/flusher/journal.c src/flusher/journal.h \
	src/flusher/journal_int.h src/flusher/journal_look.c src/flusher/journal_read.c \
	src/flusher/journal_write.c \
	src/flusher/meta.c src/flusher/meta.h \
	src/flusher/params.c src/flusher/params.h \
	src/flusher/pgbin.h \
	src/flusher/reconcile.c src/flusher/reconcile.h \
	src/flusher/redact.c src/flusher/redact.h \
	src/flusher/redact_find.c src/flusher/redact_find.h \
	src/flusher/replay.c src/flusher/replay.h \
	src/flusher/retention.c src/flusher/retention.h \
	src/flusher/rollup.c src/flusher/rollup.h \
	src/flusher/row.c src/flusher/row.h src/flusher/row_columns.h \
	src/flusher/sql.h \
	src/flusher/store.c src/flusher/store.h \
	src/flusher/store_int.h src/flusher/store_step.c \
	src/flusher/stream.c src/flusher/stream.h \
	src/flusher/syncer.c src/flusher/syncer.h
EXTRA_DIST += src/flusher/README.md

check_PROGRAMS += tests/unit/test_journal tests/unit/test_journal_faults tests/unit/test_meta tests/unit/test_redact tests/system/ring_feeder
# A library to preload, without the sanitizers and whatever else the programs are built with.
check_DATA += tests/system/slow_disk.so
EXTRA_DIST += tests/system/slow_disk.c
CLEANFILES += tests/system/slow_disk.so
tests/system/slow_disk.so: tests/system/slow_disk.c
	@$(MKDIR_P) tests/system
	$(AM_V_GEN)$(CC) -shared -fPIC -O1 -Wall -o $@ $(top_srcdir)/tests/system/slow_disk.c
TESTS += tests/unit/test_journal tests/unit/test_journal_faults tests/unit/test_meta tests/unit/test_redact
tests_unit_test_journal_SOURCES = tests/unit/test_journal.c tests/unit/tap.h
tests_unit_test_journal_LDADD = src/flusher/libflusher.a src/shm/libshm.a src/base/libbase.a \
	$(SSL_LIBS)
# Includes journal*.c and syncer.c, with calls of its own in place of the system's.
tests_unit_test_journal_faults_SOURCES = tests/unit/test_journal_faults.c tests/unit/tap.h
tests_unit_test_journal_faults_LDADD = src/shm/libshm.a src/base/libbase.a $(SSL_LIBS)
tests_unit_test_meta_SOURCES = tests/unit/test_meta.c tests/unit/tap.h
tests_unit_test_meta_LDADD = src/flusher/libflusher.a src/base/libbase.a $(SSL_LIBS)
tests_unit_test_redact_SOURCES = tests/unit/test_redact.c tests/unit/tap.h
tests_unit_test_redact_LDADD = src/flusher/libflusher.a src/base/libbase.a $(SSL_LIBS)
tests_system_ring_feeder_SOURCES = tests/system/ring_feeder.c
tests_system_ring_feeder_LDADD = src/flusher/libflusher.a src/conf/libconf.a src/limit/liblimit.a \
	src/shm/libshm.a src/base/libbase.a $(EVENT_LIBS) $(PQ_LIBS) $(SSL_LIBS)
