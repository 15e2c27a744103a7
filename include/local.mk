EXTRA_DIST += \
	include/aigated/body.h \
	include/aigated/catalog.h \
	include/aigated/event.h include/aigated/explain.h \
	include/aigated/record.h \
	include/aigated/role.h \
	include/aigated/shm_layout.h \
	include/aigated/usage.h \
	include/aigated/vault.h \
	include/aigated/tbl/counters.h \
	include/aigated/tbl/directives.h \
	include/aigated/tbl/endpoints.h \
	include/aigated/tbl/histograms.h \
	include/aigated/tbl/price_kinds.h \
	include/aigated/tbl/states.h \
	include/aigated/tbl/scopes.h \
	include/aigated/tbl/security_settings.h \
	include/aigated/tbl/verdicts.h
