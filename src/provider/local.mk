noinst_LIBRARIES += src/provider/libprovider.a
src_provider_libprovider_a_SOURCES = \
	src/provider/anthropic.c \
	src/provider/azure.c \
	src/provider/bedrock.c \
	src/provider/cohere.c \
	src/provider/figure.c src/provider/figure.h \
	src/provider/gemini.c \
	src/provider/jwt.c src/provider/jwt.h \
	src/provider/media.c \
	src/provider/oauth.c src/provider/oauth.h \
	src/provider/openai.c \
	src/provider/template.c \
	src/provider/provider.h \
	src/provider/registry.c \
	src/provider/responses.c \
	src/provider/sigv4.c src/provider/sigv4.h \
	src/provider/vertex.c
EXTRA_DIST += src/provider/README.md

check_PROGRAMS += tests/unit/test_jwt tests/unit/test_sigv4
TESTS += tests/unit/test_jwt tests/unit/test_sigv4
tests_unit_test_jwt_SOURCES = tests/unit/test_jwt.c tests/unit/tap.h
tests_unit_test_jwt_LDADD = src/provider/libprovider.a $(HTTP_LIBS)
tests_unit_test_sigv4_SOURCES = tests/unit/test_sigv4.c tests/unit/tap.h
tests_unit_test_sigv4_LDADD = src/provider/libprovider.a $(HTTP_LIBS)

check_PROGRAMS += tests/unit/test_oauth
TESTS += tests/unit/test_oauth
tests_unit_test_oauth_SOURCES = tests/unit/test_oauth.c tests/unit/tap.h
tests_unit_test_oauth_LDADD = src/provider/libprovider.a $(HTTP_LIBS)
