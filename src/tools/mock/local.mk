bin_PROGRAMS += aigate-mock
aigate_mock_SOURCES = \
	src/tools/mock/anthropic.c \
	src/tools/mock/answer.c src/tools/mock/answer.h \
	src/tools/mock/conn.c src/tools/mock/conn.h \
	src/tools/mock/control.c src/tools/mock/control.h \
	src/tools/mock/facts.c src/tools/mock/facts.h \
	src/tools/mock/format.h \
	src/tools/mock/main.c src/tools/mock/mock.h \
	src/tools/mock/openai.c src/tools/mock/openai.h \
	src/tools/mock/openai_text.c \
	src/tools/mock/parse.c src/tools/mock/parse.h \
	src/tools/mock/script.c src/tools/mock/script.h \
	src/tools/mock/serve.c src/tools/mock/serve.h \
	src/tools/mock/tally.c src/tools/mock/tally.h
aigate_mock_LDADD = src/base/libbase.a $(EVENT_LIBS) $(JSONC_LIBS) $(SSL_LIBS)
dist_man_MANS += man/aigate-mock.1
EXTRA_DIST += \
	src/tools/mock/README.md \
	tests/system/mock.py \
	tests/system/test_000_mock.py
