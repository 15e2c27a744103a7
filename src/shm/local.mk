noinst_LIBRARIES += src/shm/libshm.a
src_shm_libshm_a_SOURCES = \
	src/shm/blob_units.c src/shm/blob_units.h \
	src/shm/catalog_area.c src/shm/catalog_area.h \
	src/shm/counters.c src/shm/counters.h \
	src/shm/crash_point.h \
	src/shm/keytab.c src/shm/keytab.h \
	src/shm/keytab_writer.c \
	src/shm/metertab.c src/shm/metertab.h \
	src/shm/record.c \
	src/shm/ring.c src/shm/ring.h \
	src/shm/segment.c src/shm/segment.h \
	src/shm/words.h
EXTRA_DIST += src/shm/README.md
