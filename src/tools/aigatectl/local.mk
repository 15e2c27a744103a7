sbin_PROGRAMS += aigatectl
aigatectl_SOURCES = \
	src/tools/aigatectl/api.c \
	src/tools/aigatectl/args.c \
	src/tools/aigatectl/bootstrap.c \
	src/tools/aigatectl/ctl.h \
	src/tools/aigatectl/db.c \
	src/tools/aigatectl/explain.c \
	src/tools/aigatectl/integration.c \
	src/tools/aigatectl/journal.c \
	src/tools/aigatectl/key.c \
	src/tools/aigatectl/limits.c \
	src/tools/aigatectl/main.c \
	src/tools/aigatectl/migrate.c \
	src/tools/aigatectl/models.c \
	src/tools/aigatectl/price_file.c src/tools/aigatectl/price_file.h \
	src/tools/aigatectl/prices.c \
	src/tools/aigatectl/report.c \
	src/tools/aigatectl/reprice.c \
	src/tools/aigatectl/share.c \
	src/tools/aigatectl/status.c \
	src/tools/aigatectl/table.c \
	src/tools/aigatectl/tail.c \
	src/tools/aigatectl/usage.c \
	src/tools/aigatectl/user.c \
	src/tools/aigatectl/vault.c \
	src/tools/aigatectl/workspace.c
# libflusher: the journal is read and stored by the flusher's own code.
aigatectl_LDADD = src/conf/libconf.a src/policy/libpolicy.a src/flusher/libflusher.a \
	src/shm/libshm.a \
	src/base/libbase.a $(EVENT_LIBS) $(CURL_LIBS) $(JSONC_LIBS) $(PQ_LIBS) $(SSL_LIBS)
pricesdir = $(pkgdatadir)/data
dist_prices_DATA = data/prices.tsv
dist_man_MANS += man/aigatectl.8
EXTRA_DIST += src/tools/aigatectl/README.md
