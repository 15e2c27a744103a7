sqldir = $(pkgdatadir)/sql
dist_sql_DATA = sql/grants.sql
sqlmigrationsdir = $(pkgdatadir)/sql/migrations
dist_sqlmigrations_DATA = \
	sql/migrations/0001_tenant.sql \
	sql/migrations/0002_price.sql \
	sql/migrations/0003_ledger.sql \
	sql/migrations/0004_partition_lock.sql \
	sql/migrations/0005_policy.sql \
	sql/migrations/0006_alert.sql \
	sql/migrations/0008_limits.sql \
	sql/migrations/0011_analytics.sql
sqlviewsdir = $(pkgdatadir)/sql/views
dist_sqlviews_DATA = \
	sql/views/budget.sql \
	sql/views/spend.sql \
	sql/views/trouble.sql
EXTRA_DIST += sql/README.md
