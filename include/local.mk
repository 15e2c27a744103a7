EXTRA_DIST += \
	include/aigated/record.h \
	include/aigated/shm_layout.h \
	include/aigated/usage.h \
	include/aigated/tbl/counters.h \
	include/aigated/tbl/verdicts.h
