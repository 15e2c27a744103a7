noinst_LIBRARIES += src/limit/liblimit.a
src_limit_liblimit_a_SOURCES = \
	src/limit/algorithms.h \
	src/limit/budget.c \
	src/limit/gauge.c \
	src/limit/holds.c src/limit/holds.h src/limit/holds_step.h \
	src/limit/meter.c src/limit/meter.h \
	src/limit/period.c \
	src/limit/rate.c \
	src/limit/sweep.c
EXTRA_DIST += src/limit/README.md
