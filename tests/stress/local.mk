# The same sources as libshm and liblimit, with the places to die at compiled in.
check_LIBRARIES = tests/stress/libcrash.a
tests_stress_libcrash_a_SOURCES = \
	$(src_shm_libshm_a_SOURCES) $(src_limit_liblimit_a_SOURCES) \
	tests/stress/stress.c tests/stress/stress.h
tests_stress_libcrash_a_CPPFLAGS = $(AM_CPPFLAGS) -DAG_CRASH_POINTS

stress_programs = \
	tests/stress/stress_books tests/stress/stress_budget tests/stress/stress_holds tests/stress/stress_keytab \
	tests/stress/stress_policy_meter tests/stress/stress_rate tests/stress/stress_ring
check_PROGRAMS += $(stress_programs) tests/stress/bench_keytab
TESTS += $(stress_programs)
stress_libs = tests/stress/libcrash.a src/base/libbase.a $(SSL_LIBS)

# Budgets and rates race in the code as it is shipped.
tests_stress_stress_budget_SOURCES = tests/stress/stress_budget.c tests/stress/stress.c
tests_stress_stress_budget_LDADD = $(shm_libs)
tests_stress_stress_rate_SOURCES = tests/stress/stress_rate.c tests/stress/stress.c
tests_stress_stress_rate_LDADD = $(shm_libs)
tests_stress_stress_books_SOURCES = tests/stress/stress_books.c
tests_stress_stress_books_CPPFLAGS = $(AM_CPPFLAGS) -DAG_CRASH_POINTS
tests_stress_stress_books_LDADD = $(stress_libs)
tests_stress_stress_holds_SOURCES = tests/stress/stress_holds.c
tests_stress_stress_holds_CPPFLAGS = $(AM_CPPFLAGS) -DAG_CRASH_POINTS
tests_stress_stress_holds_LDADD = $(stress_libs)
tests_stress_stress_keytab_SOURCES = tests/stress/stress_keytab.c
tests_stress_stress_keytab_LDADD = $(stress_libs)
tests_stress_stress_policy_meter_SOURCES = tests/stress/stress_policy_meter.c
tests_stress_stress_policy_meter_CPPFLAGS = $(AM_CPPFLAGS) -DAG_CRASH_POINTS
tests_stress_stress_policy_meter_LDADD = $(stress_libs)
tests_stress_stress_ring_SOURCES = tests/stress/stress_ring.c
tests_stress_stress_ring_LDADD = $(stress_libs)
tests_stress_bench_keytab_SOURCES = tests/stress/bench_keytab.c tests/stress/stress.c
tests_stress_bench_keytab_LDADD = $(shm_libs)
EXTRA_DIST += tests/unit/shm_fixture.h

# Longer: AG_STRESS_OPS=20000000 make check-stress
# A billion steps, some minutes: make stress-long, or AG_STRESS_OPS=N make stress-long.
.PHONY: check-stress stress-long
check-stress: $(stress_programs)
	@for t in $(stress_programs); do echo "== $$t"; ./$$t || exit 1; done

stress-long: tests/stress/stress_books
	AG_STRESS_OPS=$${AG_STRESS_OPS:-1000000000} ./tests/stress/stress_books
