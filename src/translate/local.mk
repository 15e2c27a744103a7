noinst_LIBRARIES += src/translate/libtranslate.a
src_translate_libtranslate_a_SOURCES = \
	src/translate/anthropic.h \
	src/translate/anthropic_build.c src/translate/anthropic_parse.c \
	src/translate/anthropic_read.c src/translate/anthropic_write.c \
	src/translate/bedrock_exchange.c \
	src/translate/claude.c \
	src/translate/converse.c src/translate/converse.h \
	src/translate/converse_build.c src/translate/converse_content.c \
	src/translate/converse_read.c \
	src/translate/chat.c src/translate/chat.h \
	src/translate/chat_check.c src/translate/chat_check.h \
	src/translate/cohere.c src/translate/cohere.h \
	src/translate/cohere_build.c src/translate/cohere_exchange.c \
	src/translate/cohere_read.c \
	src/translate/completion.c \
	src/translate/embeddings.c src/translate/embeddings.h \
	src/translate/fields.c src/translate/fields.h \
	src/translate/framing.c src/translate/framing.h \
	src/translate/gemini.c src/translate/gemini.h \
	src/translate/gemini_build.c src/translate/gemini_exchange.c \
	src/translate/gemini_parse.c \
	src/translate/gemini_read.c src/translate/gemini_write.c \
	src/translate/json_out.c src/translate/json_out.h \
	src/translate/openai.c src/translate/openai.h \
	src/translate/openai_read.c src/translate/openai_write.c \
	src/translate/piece.h \
	src/translate/protocol.c src/translate/protocol.h \
	src/translate/responses.c src/translate/responses.h \
	src/translate/responses_build.c src/translate/responses_item.c \
	src/translate/responses_item.h src/translate/responses_parse.c \
	src/translate/responses_read.c src/translate/responses_write.c \
	src/translate/tree.c src/translate/tree.h \
	src/translate/vertex_exchange.c
EXTRA_DIST += src/translate/README.md
