noinst_LIBRARIES += src/provider/libprovider.a
src_provider_libprovider_a_SOURCES = \
	src/provider/openai.c \
	src/provider/provider.h \
	src/provider/registry.c
EXTRA_DIST += src/provider/README.md
