EXTRA_DIST += bench/README.md bench/run bench/measure.py bench/load.lua bench/nginx.conf.in \
	bench/ledger.sql bench/views.sh bench/common.sh bench/streams bench/streams.py
noinst_PROGRAMS += bench/admission bench/streamload
bench_streamload_SOURCES = bench/streamload.c
bench_admission_SOURCES = bench/admission.c
bench_admission_LDADD = src/limit/liblimit.a src/shm/libshm.a src/base/libbase.a $(SSL_LIBS)
