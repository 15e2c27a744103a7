# Pages that follow from the tables are written by the program itself.
dist_man_MANS += man/aigated.8 man/aigate-sql.7
nodist_man_MANS = man/aigated.conf.5 man/aigated-counters.7
CLEANFILES += man/aigated.conf.5 man/aigated-counters.7
EXTRA_DIST += man/aigated.conf.5.in

man/aigated-counters.7: aigated$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && ./aigated$(EXEEXT) --dump-man=counters > $@.tmp && mv $@.tmp $@
man/aigated.conf.5: aigated$(EXEEXT) $(srcdir)/man/aigated.conf.5.in
	$(AM_V_GEN)$(MKDIR_P) man && ./aigated$(EXEEXT) --dump-man=directives > $@.list && \
	$(SED) -e 's|@sysconfdir[@]|$(sysconfdir)|' \
	    -e '/^@DIRECTIVES[@]$$/r $@.list' -e '/^@DIRECTIVES[@]$$/d' \
	    $(srcdir)/man/aigated.conf.5.in > $@.tmp && rm -f $@.list && mv $@.tmp $@
