noinst_LIBRARIES += src/http/libhttp.a
src_http_libhttp_a_SOURCES = \
	src/http/baggage.c src/http/baggage.h \
	src/http/bytes.h src/http/parse.h \
	src/http/chunk.c src/http/chunk.h \
	src/http/conn.c src/http/conn.h src/http/conn_impl.h \
	src/http/conn_out.c src/http/conn_tls.c \
	src/http/curl_loop.c src/http/curl_loop.h \
	src/http/eventstream.c src/http/eventstream.h \
	src/http/head.c src/http/head.h \
	src/http/head.c src/http/head.h src/http/head_name.c \
	src/http/json_scan.c src/http/json_scan.h \
	src/http/json_skip.c src/http/json_skip.h src/http/json_skip.inc \
	src/http/json_text.c src/http/json_text.h \
	src/http/sse.c src/http/sse.h \
	src/http/tls.c src/http/tls.h \
	src/http/trace_context.c src/http/trace_context.h
EXTRA_DIST += src/http/README.md

# What links libhttp.a names this: HTTP_LIBS holds the libraries behind it, in order.
HTTP_LIBS = src/http/libhttp.a src/base/libbase.a $(EVENT_LIBS) $(SSL_LIBS)

check_PROGRAMS += \
	tests/unit/test_http_chunk \
	tests/unit/test_http_conn \
	tests/unit/test_http_head \
	tests/unit/test_http_sse \
	tests/unit/test_json_scan
TESTS += \
	tests/unit/test_http_chunk \
	tests/unit/test_http_conn \
	tests/unit/test_http_head \
	tests/unit/test_http_sse \
	tests/unit/test_json_scan
tests_unit_test_http_chunk_SOURCES = tests/unit/test_http_chunk.c tests/unit/tap.h
tests_unit_test_http_chunk_LDADD = $(HTTP_LIBS)
tests_unit_test_http_conn_SOURCES = tests/unit/test_http_conn.c tests/unit/tap.h
tests_unit_test_http_conn_LDADD = $(HTTP_LIBS)
tests_unit_test_http_head_SOURCES = tests/unit/test_http_head.c tests/unit/tap.h
tests_unit_test_http_head_LDADD = $(HTTP_LIBS)
tests_unit_test_http_sse_SOURCES = tests/unit/test_http_sse.c tests/unit/tap.h
tests_unit_test_http_sse_LDADD = $(HTTP_LIBS)
tests_unit_test_json_scan_SOURCES = tests/unit/test_json_scan.c tests/unit/tap.h
tests_unit_test_json_scan_LDADD = $(HTTP_LIBS)

check_PROGRAMS += tests/unit/test_eventstream
TESTS += tests/unit/test_eventstream
tests_unit_test_eventstream_SOURCES = tests/unit/test_eventstream.c tests/unit/tap.h
tests_unit_test_eventstream_LDADD = $(HTTP_LIBS)

check_PROGRAMS += tests/unit/test_trace_context
TESTS += tests/unit/test_trace_context
tests_unit_test_trace_context_SOURCES = tests/unit/test_trace_context.c tests/unit/tap.h
tests_unit_test_trace_context_LDADD = $(HTTP_LIBS)
