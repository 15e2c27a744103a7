noinst_LIBRARIES += src/conf/libconf.a
src_conf_libconf_a_SOURCES = \
	src/conf/conf.c src/conf/conf.h \
	src/conf/directive.c src/conf/directive.h \
	src/conf/lex.c src/conf/lex.h \
	src/conf/listen.c src/conf/listen.h \
	src/conf/print.c
EXTRA_DIST += src/conf/README.md
