EXTRA_DIST += tests/fuzz/corpus

# ---- src/http ----
check_PROGRAMS += \
	tests/fuzz/fuzz_baggage_replay \
	tests/fuzz/fuzz_chunk_replay \
	tests/fuzz/fuzz_eventstream_replay \
	tests/fuzz/fuzz_head_replay \
	tests/fuzz/fuzz_objects_replay \
	tests/fuzz/fuzz_rules_replay \
	tests/fuzz/fuzz_scan_replay \
	tests/fuzz/fuzz_sse_replay \
	tests/fuzz/fuzz_trace_replay
TESTS += \
	tests/fuzz/fuzz_baggage_replay \
	tests/fuzz/fuzz_chunk_replay \
	tests/fuzz/fuzz_eventstream_replay \
	tests/fuzz/fuzz_head_replay \
	tests/fuzz/fuzz_objects_replay \
	tests/fuzz/fuzz_rules_replay \
	tests/fuzz/fuzz_scan_replay \
	tests/fuzz/fuzz_sse_replay \
	tests/fuzz/fuzz_trace_replay
tests_fuzz_fuzz_baggage_replay_SOURCES = tests/fuzz/fuzz_baggage.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_baggage_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"baggage"'
tests_fuzz_fuzz_baggage_replay_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_chunk_replay_SOURCES = tests/fuzz/fuzz_chunk.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_chunk_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"chunk"'
tests_fuzz_fuzz_chunk_replay_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_eventstream_replay_SOURCES = tests/fuzz/fuzz_eventstream.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_eventstream_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"eventstream"'
tests_fuzz_fuzz_eventstream_replay_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_head_replay_SOURCES = tests/fuzz/fuzz_head.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_head_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"head"'
tests_fuzz_fuzz_head_replay_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_objects_replay_SOURCES = tests/fuzz/fuzz_objects.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_objects_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"objects"'
tests_fuzz_fuzz_objects_replay_LDADD = $(POLICY_LIBS)
tests_fuzz_fuzz_rules_replay_SOURCES = tests/fuzz/fuzz_rules.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_rules_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"rules"'
tests_fuzz_fuzz_rules_replay_LDADD = $(POLICY_LIBS)
tests_fuzz_fuzz_scan_replay_SOURCES = tests/fuzz/fuzz_scan.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_scan_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"scan"'
tests_fuzz_fuzz_scan_replay_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_sse_replay_SOURCES = tests/fuzz/fuzz_sse.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_sse_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"sse"'
tests_fuzz_fuzz_sse_replay_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_trace_replay_SOURCES = tests/fuzz/fuzz_trace.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_trace_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"trace"'
tests_fuzz_fuzz_trace_replay_LDADD = $(HTTP_LIBS)

# ---- src/base ----
check_PROGRAMS += tests/fuzz/fuzz_pattern_replay
TESTS += tests/fuzz/fuzz_pattern_replay
tests_fuzz_fuzz_pattern_replay_SOURCES = tests/fuzz/fuzz_pattern.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_pattern_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"pattern"'
tests_fuzz_fuzz_pattern_replay_LDADD = src/base/libbase.a $(SSL_LIBS)


# ---- src/flusher ----
check_PROGRAMS += tests/fuzz/fuzz_redact_replay
TESTS += tests/fuzz/fuzz_redact_replay
FUZZ_REDACT_LIBS = src/flusher/libflusher.a src/base/libbase.a $(SSL_LIBS)
tests_fuzz_fuzz_redact_replay_SOURCES = tests/fuzz/fuzz_redact.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_redact_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"redact"'
tests_fuzz_fuzz_redact_replay_LDADD = $(FUZZ_REDACT_LIBS)

if FUZZING
FUZZERS = \
	tests/fuzz/fuzz_baggage \
	tests/fuzz/fuzz_chunk \
	tests/fuzz/fuzz_eventstream \
	tests/fuzz/fuzz_head \
	tests/fuzz/fuzz_request \
	tests/fuzz/fuzz_objects \
	tests/fuzz/fuzz_rules \
	tests/fuzz/fuzz_pattern \
	tests/fuzz/fuzz_redact \
	tests/fuzz/fuzz_scan \
	tests/fuzz/fuzz_sse \
	tests/fuzz/fuzz_trace \
	tests/fuzz/fuzz_translate
noinst_PROGRAMS += $(FUZZERS)
tests_fuzz_fuzz_pattern_SOURCES = tests/fuzz/fuzz_pattern.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_pattern_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_pattern_LDADD = src/base/libbase.a $(SSL_LIBS)
tests_fuzz_fuzz_redact_SOURCES = tests/fuzz/fuzz_redact.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_redact_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_redact_LDADD = $(FUZZ_REDACT_LIBS)
tests_fuzz_fuzz_baggage_SOURCES = tests/fuzz/fuzz_baggage.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_baggage_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_baggage_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_chunk_SOURCES = tests/fuzz/fuzz_chunk.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_chunk_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_chunk_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_eventstream_SOURCES = tests/fuzz/fuzz_eventstream.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_eventstream_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_eventstream_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_head_SOURCES = tests/fuzz/fuzz_head.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_head_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_head_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_objects_SOURCES = tests/fuzz/fuzz_objects.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_objects_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_objects_LDADD = $(POLICY_LIBS)
tests_fuzz_fuzz_rules_SOURCES = tests/fuzz/fuzz_rules.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_rules_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_rules_LDADD = $(POLICY_LIBS)
tests_fuzz_fuzz_scan_SOURCES = tests/fuzz/fuzz_scan.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_scan_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_scan_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_sse_SOURCES = tests/fuzz/fuzz_sse.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_sse_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_sse_LDADD = $(HTTP_LIBS)
tests_fuzz_fuzz_trace_SOURCES = tests/fuzz/fuzz_trace.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_trace_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_trace_LDADD = $(HTTP_LIBS)

# Shared by all of them.
FUZZ_SECONDS = 60

# New finds go to a directory of the build, never into the corpus of the sources.
fuzz-smoke: $(FUZZERS)
	@set -- $(FUZZERS); each=$$(($(FUZZ_SECONDS) / $$#)); for f in "$$@"; do \
		name=$${f##*/fuzz_}; mkdir -p tests/fuzz/found/$$name || exit 1; \
		./$$f -max_total_time=$$each -max_len=2000 -artifact_prefix=tests/fuzz/found/ \
			tests/fuzz/found/$$name $(srcdir)/tests/fuzz/corpus/$$name || exit 1; \
	done
endif

# ---- src/translate ----
check_PROGRAMS += tests/fuzz/fuzz_translate_replay tests/fuzz/fuzz_request_replay
TESTS += tests/fuzz/fuzz_translate_replay tests/fuzz/fuzz_request_replay
FUZZ_TRANSLATE_LIBS = src/translate/libtranslate.a src/provider/libprovider.a $(HTTP_LIBS) $(JSONC_LIBS)
tests_fuzz_fuzz_translate_replay_SOURCES = tests/fuzz/fuzz_translate.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_translate_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"translate"'
tests_fuzz_fuzz_translate_replay_LDADD = $(FUZZ_TRANSLATE_LIBS)
tests_fuzz_fuzz_request_replay_SOURCES = tests/fuzz/fuzz_request.c tests/fuzz/fuzz.h tests/fuzz/replay.c
tests_fuzz_fuzz_request_replay_CPPFLAGS = $(AM_CPPFLAGS) -DFUZZ_NAME='"request"'
tests_fuzz_fuzz_request_replay_LDADD = $(FUZZ_TRANSLATE_LIBS)
if FUZZING
tests_fuzz_fuzz_translate_SOURCES = tests/fuzz/fuzz_translate.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_translate_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_translate_LDADD = $(FUZZ_TRANSLATE_LIBS)
tests_fuzz_fuzz_request_SOURCES = tests/fuzz/fuzz_request.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_request_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_request_LDADD = $(FUZZ_TRANSLATE_LIBS)
endif
