# Protocols against the transcripts of tests/data/fixtures: a protocol adds a program and its files.
TRANSLATE_LIBS = src/translate/libtranslate.a $(POLICY_LIBS) $(JSONC_LIBS)
TRANSLATE_TEST = tests/unit/fixture.c tests/unit/fixture.h tests/unit/tap.h

check_PROGRAMS += \
	tests/unit/test_translate_answers \
	tests/unit/test_translate_anthropic \
	tests/unit/test_translate_bedrock \
	tests/unit/test_translate_embeddings \
	tests/unit/test_translate_gemini \
	tests/unit/test_translate_matrix \
	tests/unit/test_translate_openai \
	tests/unit/test_translate_responses \
	tests/unit/test_translate_cohere
TESTS += \
	tests/unit/test_translate_answers \
	tests/unit/test_translate_anthropic \
	tests/unit/test_translate_bedrock \
	tests/unit/test_translate_embeddings \
	tests/unit/test_translate_gemini \
	tests/unit/test_translate_matrix \
	tests/unit/test_translate_openai \
	tests/unit/test_translate_responses \
	tests/unit/test_translate_cohere
tests_unit_test_translate_answers_SOURCES = tests/unit/test_translate_answers.c $(TRANSLATE_TEST)
tests_unit_test_translate_answers_LDADD = $(TRANSLATE_LIBS)
tests_unit_test_translate_anthropic_SOURCES = tests/unit/test_translate_anthropic.c $(TRANSLATE_TEST)
tests_unit_test_translate_anthropic_LDADD = $(TRANSLATE_LIBS)
tests_unit_test_translate_bedrock_SOURCES = tests/unit/test_translate_bedrock.c $(TRANSLATE_TEST)
tests_unit_test_translate_bedrock_LDADD = $(TRANSLATE_LIBS)
tests_unit_test_translate_embeddings_SOURCES = tests/unit/test_translate_embeddings.c $(TRANSLATE_TEST)
tests_unit_test_translate_embeddings_LDADD = $(TRANSLATE_LIBS)
tests_unit_test_translate_gemini_SOURCES = tests/unit/test_translate_gemini.c $(TRANSLATE_TEST)
tests_unit_test_translate_gemini_LDADD = $(TRANSLATE_LIBS)
tests_unit_test_translate_matrix_SOURCES = tests/unit/test_translate_matrix.c $(TRANSLATE_TEST)
tests_unit_test_translate_matrix_LDADD = $(TRANSLATE_LIBS)
tests_unit_test_translate_openai_SOURCES = tests/unit/test_translate_openai.c $(TRANSLATE_TEST)
tests_unit_test_translate_openai_LDADD = $(TRANSLATE_LIBS)
tests_unit_test_translate_responses_SOURCES = tests/unit/test_translate_responses.c $(TRANSLATE_TEST)
tests_unit_test_translate_responses_LDADD = $(TRANSLATE_LIBS)
tests_unit_test_translate_cohere_SOURCES = tests/unit/test_translate_cohere.c $(TRANSLATE_TEST)
tests_unit_test_translate_cohere_LDADD = $(TRANSLATE_LIBS)

EXTRA_DIST += tests/data/fixtures
