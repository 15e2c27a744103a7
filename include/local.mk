EXTRA_DIST += \
	include/aigated/tbl/verdicts.h
