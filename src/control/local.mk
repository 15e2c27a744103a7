noinst_LIBRARIES += src/control/libcontrol.a
src_control_libcontrol_a_SOURCES = \
	src/control/alerts.c src/control/alerts.h \
	src/control/analytics.c src/control/analytics.h \
	src/control/api_keys.c \
	src/control/audit.c \
	src/control/auth.c src/control/auth.h \
	src/control/aws_credential.c src/control/aws_credential.h \
	src/control/body_settings.c src/control/body_settings.h \
	src/control/call.c src/control/call.h \
	src/control/catalog_read.c \
	src/control/command.c src/control/command.h \
	src/control/configs.c \
	src/control/configurations.c src/control/configurations.h \
	src/control/control.c src/control/control.h \
	src/control/credential.c src/control/credential.h \
	src/control/custom_headers.c src/control/custom_headers.h \
	src/control/custom_host.c src/control/custom_host.h \
	src/control/deliver.c src/control/deliver.h \
	src/control/destination.c src/control/destination.h \
	src/control/export_file.c src/control/export_job.c src/control/export_life.c src/control/export_query.c \
	src/control/exports.c src/control/exports.h \
	src/control/family.c src/control/family.h \
	src/control/feedback.c \
	src/control/field.c src/control/field.h \
	src/control/gate.c src/control/gate.h \
	src/control/grants.c \
	src/control/graphs.c \
	src/control/groups.c \
	src/control/guardrails.c \
	src/control/handlers.h \
	src/control/integrations.c \
	src/control/invites.c \
	src/control/key_read.c \
	src/control/key_rotate.c src/control/key_schedule.c src/control/key_schedule.h \
	src/control/key_scopes.c src/control/keys.h \
	src/control/limits.c src/control/limits.h \
	src/control/load.c \
	src/control/members.c \
	src/control/logs.c \
	src/control/mask.c src/control/mask.h \
	src/control/meters.c src/control/meters.h \
	src/control/metrics.c src/control/metrics.h \
	src/control/models.c \
	src/control/openapi.c src/control/openapi.h \
	src/control/openapi_ops.h src/control/openapi_schemas.h \
	src/control/org_settings.c \
	src/control/organisation.c \
	src/control/people.c src/control/people.h \
	src/control/pg.c src/control/pg.h \
	src/control/plan.c src/control/plan.h \
	src/control/price_multiplier.c src/control/price_multiplier.h \
	src/control/policies.c src/control/policies.h \
	src/control/policy_rules.c src/control/policy_rules.h \
	src/control/policy_values.c src/control/policy_values.h \
	src/control/providers.c src/control/providers.h \
	src/control/publish.c src/control/publish.h \
	src/control/roles.c src/control/roles.h \
	src/control/reader.c src/control/reader.h \
	src/control/routes.c src/control/routes.h \
	src/control/rule_defaults.c src/control/rules.h \
	src/control/rules_load.c src/control/rules_load.h \
	src/control/rules_sql.h \
	src/control/secret.c src/control/secret.h \
	src/control/security.c src/control/security.h \
	src/control/server.c src/control/server.h \
	src/control/schema.c src/control/schema.h \
	src/control/secret_ask.c src/control/secret_ask.h src/control/secret_fetch.c src/control/secret_fetch.h \
	src/control/secret_maps.c src/control/secret_maps.h src/control/sql_secrets.h \
	src/control/secret_refresh.c src/control/secret_refs.c \
	src/control/server.c src/control/server.h \
	src/control/settings.c src/control/settings.h \
	src/control/sql.h src/control/sql_keys.h src/control/sql_people.h src/control/sql_settings.h \
	src/control/throttle.c src/control/throttle.h \
	src/control/usage.c \
	src/control/user_keys.c src/control/user_keys.h \
	src/control/users.c \
	src/control/sql.h src/control/sql_providers.h \
	src/control/sql.h src/control/sql_analytics.h src/control/sql_audit.h src/control/sql_logs.h \
	src/control/shadow.c src/control/shadow.h src/control/sql_shadow.h \
	src/control/sql.h src/control/sql_providers.h \
	src/control/usage.c \
	src/control/virtual_keys.c \
	src/control/webhook.c src/control/webhook.h \
	src/control/workspaces.c
EXTRA_DIST += src/control/README.md

check_PROGRAMS += tests/unit/test_gate
TESTS += tests/unit/test_gate
tests_unit_test_gate_SOURCES = tests/unit/test_gate.c tests/unit/tap.h
tests_unit_test_gate_LDADD = src/control/libcontrol.a src/base/libbase.a $(SSL_LIBS)
