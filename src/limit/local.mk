noinst_LIBRARIES += src/limit/liblimit.a
src_limit_liblimit_a_SOURCES = \
	src/limit/alert.c src/limit/alert.h \
	src/limit/algorithms.h \
	src/limit/budget.c \
	src/limit/gauge.c \
	src/limit/holds.c src/limit/holds.h src/limit/holds_step.h \
	src/limit/learned.c src/limit/learned.h \
	src/limit/meter.c src/limit/meter.h \
	src/limit/period.c \
	src/limit/policy_meter.c src/limit/policy_meter.h \
	src/limit/raise.c \
	src/limit/rate.c \
	src/limit/sweep.c
EXTRA_DIST += src/limit/README.md

check_PROGRAMS += \
	tests/unit/test_budget tests/unit/test_holds tests/unit/test_period \
	tests/unit/test_policy_meter tests/unit/test_rate
TESTS += \
	tests/unit/test_budget tests/unit/test_holds tests/unit/test_period \
	tests/unit/test_policy_meter tests/unit/test_rate
tests_unit_test_budget_SOURCES = tests/unit/test_budget.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_budget_LDADD = $(shm_libs)
tests_unit_test_holds_SOURCES = tests/unit/test_holds.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_holds_LDADD = $(shm_libs)
tests_unit_test_period_SOURCES = tests/unit/test_period.c tests/unit/tap.h
tests_unit_test_period_LDADD = $(shm_libs)
tests_unit_test_rate_SOURCES = tests/unit/test_rate.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_rate_LDADD = $(shm_libs)
tests_unit_test_policy_meter_SOURCES = tests/unit/test_policy_meter.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_policy_meter_LDADD = $(shm_libs)

check_PROGRAMS += tests/unit/test_alert
TESTS += tests/unit/test_alert
tests_unit_test_alert_SOURCES = tests/unit/test_alert.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_alert_LDADD = $(shm_libs)

check_PROGRAMS += tests/unit/test_enforcement
TESTS += tests/unit/test_enforcement
tests_unit_test_enforcement_SOURCES = tests/unit/test_enforcement.c tests/unit/tap.h tests/unit/shm_fixture.h
tests_unit_test_enforcement_LDADD = $(shm_libs)
