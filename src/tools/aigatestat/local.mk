bin_PROGRAMS += aigatestat
aigatestat_SOURCES = \
	src/tools/aigatestat/json.c \
	src/tools/aigatestat/main.c \
	src/tools/aigatestat/stat.h \
	src/tools/aigatestat/text.c
aigatestat_LDADD = src/limit/liblimit.a src/shm/libshm.a src/base/libbase.a $(SSL_LIBS)
dist_man_MANS += man/aigatestat.1
EXTRA_DIST += src/tools/aigatestat/README.md
