POLICY_LIBS = src/policy/libpolicy.a src/provider/libprovider.a src/catalog/libcatalog.a \
	src/limit/liblimit.a src/shm/libshm.a $(HTTP_LIBS)

check_PROGRAMS += \
	tests/unit/test_endpoints \
	tests/unit/test_estimate \
	tests/unit/test_figures \
	tests/unit/test_guard \
	tests/unit/test_metadata \
	tests/unit/test_objects \
	tests/unit/test_policy_match \
	tests/unit/test_price \
	tests/unit/test_provider_openai \
	tests/unit/test_route \
	tests/unit/test_settle
TESTS += \
	tests/unit/test_endpoints \
	tests/unit/test_estimate \
	tests/unit/test_figures \
	tests/unit/test_guard \
	tests/unit/test_metadata \
	tests/unit/test_objects \
	tests/unit/test_policy_match \
	tests/unit/test_price \
	tests/unit/test_provider_openai \
	tests/unit/test_route \
	tests/unit/test_settle
tests_unit_test_objects_SOURCES = tests/unit/test_objects.c tests/unit/tap.h
tests_unit_test_objects_LDADD = $(POLICY_LIBS)
tests_unit_test_endpoints_SOURCES = tests/unit/test_endpoints.c tests/unit/tap.h
tests_unit_test_endpoints_LDADD = $(POLICY_LIBS)
tests_unit_test_estimate_SOURCES = tests/unit/test_estimate.c tests/unit/tap.h
tests_unit_test_estimate_LDADD = $(POLICY_LIBS)
tests_unit_test_figures_SOURCES = tests/unit/test_figures.c tests/unit/tap.h
tests_unit_test_figures_LDADD = $(POLICY_LIBS)
tests_unit_test_guard_SOURCES = tests/unit/test_guard.c tests/unit/tap.h
tests_unit_test_guard_LDADD = $(POLICY_LIBS)
tests_unit_test_metadata_SOURCES = tests/unit/test_metadata.c tests/unit/tap.h
tests_unit_test_metadata_LDADD = $(POLICY_LIBS)
tests_unit_test_policy_match_SOURCES = tests/unit/test_policy_match.c tests/unit/tap.h
tests_unit_test_policy_match_LDADD = $(POLICY_LIBS)
tests_unit_test_price_SOURCES = tests/unit/test_price.c tests/unit/tap.h
tests_unit_test_price_LDADD = $(POLICY_LIBS)
tests_unit_test_provider_openai_SOURCES = tests/unit/test_provider_openai.c tests/unit/tap.h
tests_unit_test_provider_openai_LDADD = $(POLICY_LIBS)
tests_unit_test_route_SOURCES = tests/unit/test_route.c tests/unit/tap.h
tests_unit_test_route_LDADD = $(POLICY_LIBS)
tests_unit_test_settle_SOURCES = tests/unit/test_settle.c tests/unit/tap.h
tests_unit_test_settle_LDADD = $(POLICY_LIBS)
EXTRA_DIST += \
	tests/unit/data/compatible-byok.sse \
	tests/unit/data/compatible-outside.json
