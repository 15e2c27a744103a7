sbin_PROGRAMS += aigatectl
aigatectl_SOURCES = \
	src/tools/aigatectl/api.c \
	src/tools/aigatectl/apply.c src/tools/aigatectl/plan.h \
	src/tools/aigatectl/args.c \
	src/tools/aigatectl/bootstrap.c \
	src/tools/aigatectl/compare.c \
	src/tools/aigatectl/complete.c \
	src/tools/aigatectl/ctl.h \
	src/tools/aigatectl/db.c \
	src/tools/aigatectl/explain.c \
	src/tools/aigatectl/export.c \
	src/tools/aigatectl/integration.c \
	src/tools/aigatectl/journal.c \
	src/tools/aigatectl/key.c \
	src/tools/aigatectl/limits.c \
	src/tools/aigatectl/live.c \
	src/tools/aigatectl/main.c \
	src/tools/aigatectl/migrate.c \
	src/tools/aigatectl/models.c \
	src/tools/aigatectl/noun.c src/tools/aigatectl/noun.h \
	src/tools/aigatectl/noun_run.c \
	src/tools/aigatectl/plan.c \
	src/tools/aigatectl/plan_subs.c src/tools/aigatectl/plan_users.c \
	src/tools/aigatectl/price_file.c src/tools/aigatectl/price_file.h \
	src/tools/aigatectl/prices.c \
	src/tools/aigatectl/report.c \
	src/tools/aigatectl/reprice.c \
	src/tools/aigatectl/share.c \
	src/tools/aigatectl/status.c \
	src/tools/aigatectl/table.c \
	src/tools/aigatectl/tree.c src/tools/aigatectl/tree.h \
	src/tools/aigatectl/tail.c \
	src/tools/aigatectl/usage.c \
	src/tools/aigatectl/user.c \
	src/tools/aigatectl/vault.c \
	src/tools/aigatectl/workspace.c \
	src/tools/aigatectl/yaml.c
# libflusher: the journal is read and stored by the flusher's own code.
aigatectl_LDADD = src/conf/libconf.a src/policy/libpolicy.a src/http/libhttp.a src/flusher/libflusher.a \
	src/shm/libshm.a \
	src/base/libbase.a $(EVENT_LIBS) $(CURL_LIBS) $(JSONC_LIBS) $(PQ_LIBS) $(SSL_LIBS) $(YAML_LIBS)
pricesdir = $(pkgdatadir)/data
dist_prices_DATA = data/prices.tsv
dist_man_MANS += man/aigatectl.8
EXTRA_DIST += src/tools/aigatectl/README.md

# Written by the program itself.
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
nodist_bashcompletion_DATA = completion/aigatectl
nodist_zshcompletion_DATA = completion/_aigatectl
CLEANFILES += completion/aigatectl completion/_aigatectl
completion/aigatectl: aigatectl$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) completion && ./aigatectl$(EXEEXT) completion bash > $@.tmp && mv $@.tmp $@
completion/_aigatectl: aigatectl$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) completion && ./aigatectl$(EXEEXT) completion zsh > $@.tmp && mv $@.tmp $@
