noinst_LIBRARIES += src/sandbox/libsandbox.a
src_sandbox_libsandbox_a_SOURCES = src/sandbox/sandbox.c src/sandbox/sandbox.h
EXTRA_DIST += src/sandbox/README.md
