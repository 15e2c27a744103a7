sbin_PROGRAMS += aigated
aigated_SOURCES = src/master/main.c
aigated_LDADD = src/base/libbase.a $(SSL_LIBS)
