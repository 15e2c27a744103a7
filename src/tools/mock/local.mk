bin_PROGRAMS += aigate-mock
aigate_mock_SOURCES = \
	src/tools/mock/answer.c src/tools/mock/answer.h \
	src/tools/mock/anthropic.c src/tools/mock/anthropic.h \
	src/tools/mock/anthropic_check.c \
	src/tools/mock/bedrock.c src/tools/mock/bedrock.h \
	src/tools/mock/bedrock_check.c \
	src/tools/mock/bedrock_invoke.c \
	src/tools/mock/cohere.c \
	src/tools/mock/conn.c src/tools/mock/conn.h \
	src/tools/mock/control.c src/tools/mock/control.h \
	src/tools/mock/facts.c src/tools/mock/facts.h \
	src/tools/mock/form.c src/tools/mock/form.h \
	src/tools/mock/format.h \
	src/tools/mock/gemini.c \
	src/tools/mock/gemini_check.c \
	src/tools/mock/google.h \
	src/tools/mock/main.c \
	src/tools/mock/media.c \
	src/tools/mock/mock.h \
	src/tools/mock/openai.c src/tools/mock/openai.h \
	src/tools/mock/openai_check.c \
	src/tools/mock/openai_text.c \
	src/tools/mock/parse.c src/tools/mock/parse.h \
	src/tools/mock/reply.c src/tools/mock/reply.h \
	src/tools/mock/responses.c \
	src/tools/mock/sample.c src/tools/mock/sample.h \
	src/tools/mock/script.c src/tools/mock/script.h \
	src/tools/mock/serve.c src/tools/mock/serve.h \
	src/tools/mock/shape.c src/tools/mock/shape.h \
	src/tools/mock/sigv4.c src/tools/mock/sigv4.h \
	src/tools/mock/tally.c src/tools/mock/tally.h \
	src/tools/mock/verbatim.c \
	src/tools/mock/vertex.c
aigate_mock_LDADD = src/base/libbase.a $(EVENT_LIBS) $(JSONC_LIBS) $(SSL_LIBS)
dist_man_MANS += man/aigate-mock.1
EXTRA_DIST += \
	src/tools/mock/README.md \
	tests/system/mock.py \
	tests/system/test_000_mock.py \
	tests/system/test_000_mock_dialects.py
