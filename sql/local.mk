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
	sql/migrations/0007_enforcement.sql \
	sql/migrations/0008_limits.sql \
	sql/migrations/0009_rollups.sql \
	sql/migrations/0010_reprice.sql \
	sql/migrations/0011_analytics.sql \
	sql/migrations/0012_people.sql \
	sql/migrations/0013_rules.sql \
	sql/migrations/0014_trace.sql \
	sql/migrations/0015_bodies.sql \
	sql/migrations/0016_secret_hosts.sql \
	sql/migrations/0017_rotation.sql \
	sql/migrations/0019_object.sql \
	sql/migrations/0020_price_adjustments.sql \
	sql/migrations/0021_security_settings.sql \
	sql/migrations/0022_user_keys.sql \
	sql/migrations/0023_price_kinds.sql \
	sql/migrations/0024_ledger_summaries.sql \
	sql/migrations/0025_ledger_defaults.sql
sqlviewsdir = $(pkgdatadir)/sql/views
dist_sqlviews_DATA = \
	sql/views/adjustment.sql \
	sql/views/budget.sql \
	sql/views/customer.sql \
	sql/views/latency.sql \
	sql/views/ledger.sql \
	sql/views/spend.sql \
	sql/views/trouble.sql \
	sql/views/zz_comment.sql
EXTRA_DIST += sql/README.md
