-- grants.sql - what each role may do.  Run again after every migration; idempotent.
-- The roles are groups without login: grant them to the accounts the processes use.  Where the
-- one who migrates may not create roles they must be made beforehand.

do $$
declare
	wanted text;
begin
	foreach wanted in array array['aigate_flusher', 'aigate_control', 'aigate_ops'] loop
		if not exists (select from pg_catalog.pg_roles where rolname = wanted) then
			begin
				execute format('create role %I nologin', wanted);
			exception when duplicate_object or unique_violation then
				null; -- another database of the cluster was faster
			end;
		end if;
	end loop;
end
$$;

revoke all on schema aigate from public;
revoke all on all tables in schema aigate from public;
revoke all on all functions in schema aigate from public;
revoke all on all tables in schema aigate from aigate_flusher, aigate_control, aigate_ops;
grant usage on schema aigate to aigate_flusher, aigate_control, aigate_ops;

-- flusher: adds to the ledger, reads what it must compare
grant insert on aigate.ledger, aigate.ledger_quarantine, aigate.ledger_gap to aigate_flusher;
grant select, insert, update on aigate.usage_hour, aigate.usage_day, aigate.error_hour,
	aigate.latency_hour, aigate.metadata_hour, aigate.budget_state, aigate.ledger_position to aigate_flusher;
grant select, insert, delete on aigate.provider_object to aigate_flusher;
grant select on aigate.meter, aigate.schema_migration to aigate_flusher;
-- bodies: adds them, and reads what is to be taken out before; only control reads them
grant insert on aigate.request_body to aigate_flusher;
grant select (id, body_log, body_redact, body_patterns) on aigate.workspace to aigate_flusher;
grant select on aigate.request_body to aigate_control;
grant execute on function aigate.make_body_partitions(timestamptz[]), aigate.body_partitions(),
	aigate.drop_body_partition(text) to aigate_flusher;
grant execute on function aigate.body_value(text) to aigate_control;
grant execute on function aigate.ensure_partitions(text, int),
	aigate.make_partitions_for(timestamptz[], text), aigate.ledger_partitions(),
	aigate.drop_partition(text) to aigate_flusher;

-- control: tenants, prices, audit; reads the ledger
grant select, insert, update, delete on aigate.organisation, aigate.app_user, aigate.workspace,
	aigate.api_key, aigate.integration, aigate.integration_model, aigate.integration_workspace,
	aigate.provider, aigate.meter, aigate.price, aigate.policy, aigate.policy_entity
	to aigate_control;
grant select, insert on aigate.audit_log, aigate.custom_log, aigate.price_adjustment to aigate_control;
grant select, insert, update on aigate.feedback, aigate.log_export to aigate_control;
grant select, insert, update on aigate.config, aigate.config_version, aigate.guardrail to aigate_control;
grant select, insert, delete on aigate.guardrail_default, aigate.guardrail_exclusion to aigate_control;
grant select, insert, update, delete on aigate.workspace_user, aigate.invite,
	aigate.secret_reference, aigate.secret_reference_workspace, aigate.integration_secret,
	aigate.user_key_turn to aigate_control;
grant select, insert, update on aigate.alert, aigate.shadow_state to aigate_control;
grant select on aigate.schema_migration, aigate.ledger, aigate.usage_hour, aigate.usage_day,
	aigate.error_hour, aigate.latency_hour, aigate.metadata_hour, aigate.ledger_adjustment,
	aigate.budget_state, aigate.ledger_position, aigate.ledger_quarantine, aigate.ledger_gap,
	aigate.provider_object to aigate_control;

-- operators: read all but hashes and sealed credentials
grant select on aigate.config, aigate.config_version, aigate.guardrail, aigate.guardrail_default,
	aigate.guardrail_exclusion to aigate_ops;
grant select on aigate.schema_migration, aigate.organisation, aigate.app_user, aigate.workspace,
	aigate.integration_model, aigate.integration_workspace, aigate.provider, aigate.meter,
	aigate.price, aigate.price_adjustment, aigate.policy, aigate.policy_entity, aigate.audit_log, aigate.alert,
	aigate.shadow_state,
	aigate.ledger, aigate.usage_hour, aigate.usage_day, aigate.error_hour, aigate.latency_hour,
	aigate.metadata_hour, aigate.budget_state, aigate.ledger_position, aigate.ledger_quarantine,
	aigate.ledger_gap, aigate.ledger_adjustment, aigate.custom_log, aigate.feedback,
	aigate.provider_object to aigate_ops;
grant select on aigate.workspace_user, aigate.secret_reference_workspace, aigate.integration_secret
	to aigate_ops;
grant select (id, uuid, organisation_id, slug, name, description, manager_type, auth_config, secret_path,
	secret_key, allow_all_workspaces, tags, checked_at, last_error, status, created_at, updated_at)
	on aigate.secret_reference to aigate_ops;
grant select (id, uuid, organisation_id, email, role, workspaces, key_scopes, status, invited_by_key_id,
	user_id, created_at, expires_at, accepted_at, updated_at) on aigate.invite to aigate_ops;
grant select (id, uuid, organisation_id, workspace_id, api_key_id, description, filters,
	requested_data, format, status, total, total_records, bytes, error, started_at, finished_at,
	created_at, updated_at) on aigate.log_export to aigate_ops;
grant select (id, uuid, organisation_id, workspace_id, user_id, kind, name, description, key_mask,
	scopes, metadata, config_id, allow_config_override, expires_at, usage_limits, rate_limits,
	alert_emails, creation_mode, status, created_at, updated_at, former_expires_at, rotated_at)
	on aigate.api_key to aigate_ops;
grant select (id, uuid, organisation_id, workspace_id, slug, name, family, description, key_mask,
	configurations, custom_host, allow_all_models, global_access, pricing_adjustments,
	price_adjustment_id, status, created_at, updated_at)
	on aigate.integration to aigate_ops;

-- views and what they call: for control and for operators
do $$
declare
	v regclass;
begin
	for v in select c.oid::regclass from pg_catalog.pg_class c
		where c.relnamespace = 'aigate'::regnamespace and c.relkind = 'v'
	loop
		execute format('grant select on %s to aigate_control, aigate_ops', v);
	end loop;
end
$$;
grant execute on function aigate.ledger_partitions(), aigate.latency_bucket_us(int),
	aigate.period_at(text, int, date, int, timestamptz) to aigate_control, aigate_ops;
