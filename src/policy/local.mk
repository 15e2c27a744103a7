noinst_LIBRARIES += src/policy/libpolicy.a
src_policy_libpolicy_a_SOURCES = \
	src/policy/config_read.c src/policy/config_read.h \
	src/policy/estimate.c src/policy/estimate.h \
	src/policy/guard.c src/policy/guard.h \
	src/policy/guard_params.c src/policy/guard_params.h \
	src/policy/guard_read.c src/policy/guard_read.h \
	src/policy/media.c src/policy/media.h \
	src/policy/metadata.c src/policy/metadata.h \
	src/policy/objects.c src/policy/objects.h \
	src/policy/policy_match.c src/policy/policy_match.h \
	src/policy/price.c src/policy/price.h \
	src/policy/read_json.c src/policy/read_json.h \
	src/policy/readback.c src/policy/readback.h \
	src/policy/route.c src/policy/route.h \
	src/policy/settle.c src/policy/settle.h \
	src/policy/verdict.c src/policy/verdict.h
EXTRA_DIST += src/policy/README.md
