noinst_LIBRARIES += src/provider/libprovider.a
src_provider_libprovider_a_SOURCES = \
	src/provider/anthropic.c \
	src/provider/azure.c \
	src/provider/figure.c src/provider/figure.h \
	src/provider/openai.c \
	src/provider/template.c \
	src/provider/provider.h \
	src/provider/registry.c
EXTRA_DIST += src/provider/README.md
