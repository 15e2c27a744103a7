-- 0001_tenant.sql - who may spend: organisations down to keys, credentials, limits, the audit log.
-- Writer: control.  Rows are archived, never deleted, where the ledger may refer to them.

create schema if not exists aigate;
comment on schema aigate is 'AI gateway: tenants and limits (control), prices (control), ledger (flusher)';

create table if not exists aigate.schema_migration (
	version int primary key,
	name text not null,
	checksum text not null,
	applied_at timestamptz not null default now()
);
comment on table aigate.schema_migration is 'Migrations applied to this database; W: aigatectl db migrate';
comment on column aigate.schema_migration.version is 'Number in front of the file name';
comment on column aigate.schema_migration.name is 'File name';
comment on column aigate.schema_migration.checksum is 'SHA-256 of the file, hexadecimal: an applied migration is never edited';
comment on column aigate.schema_migration.applied_at is 'When it was applied';

create table aigate.organisation (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	slug text not null unique,
	name text not null,
	status text not null default 'active' check (status in ('active', 'archived')),
	settings jsonb not null default '{}',
	usage_limits jsonb,
	rate_limits jsonb,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
comment on table aigate.organisation is 'Tenant; W: control';
comment on column aigate.organisation.id is 'Internal number, also in the ledger';
comment on column aigate.organisation.uuid is 'Identifier the admin API shows';
comment on column aigate.organisation.slug is 'Short name, unique';
comment on column aigate.organisation.name is 'Display name';
comment on column aigate.organisation.status is 'active, archived (keys answer 401)';
comment on column aigate.organisation.settings is 'Metadata schemas, default guardrails and other settings';
comment on column aigate.organisation.usage_limits is 'Array of usage limits as the admin API shows them, null none; their meters stand in meter';
comment on column aigate.organisation.rate_limits is 'Array of rate limits as the admin API shows them, null none';
comment on column aigate.organisation.created_at is 'When it was made';
comment on column aigate.organisation.updated_at is 'Last change';

create table aigate.app_user (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null references aigate.organisation (id),
	email text not null,
	first_name text not null default '',
	last_name text not null default '',
	role text not null default 'member' check (role in ('owner', 'admin', 'member')),
	status text not null default 'active' check (status in ('active', 'archived')),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
create unique index app_user_email_key on aigate.app_user (organisation_id, lower(email));
comment on table aigate.app_user is 'Person keys may belong to; W: control';
comment on column aigate.app_user.id is 'Internal number, also in the ledger';
comment on column aigate.app_user.uuid is 'Identifier the admin API shows';
comment on column aigate.app_user.organisation_id is 'Tenant';
comment on column aigate.app_user.email is 'Unique in the organisation, case folded';
comment on column aigate.app_user.first_name is 'First name';
comment on column aigate.app_user.last_name is 'Last name';
comment on column aigate.app_user.role is 'owner, admin, member';
comment on column aigate.app_user.status is 'active, archived';
comment on column aigate.app_user.created_at is 'When it was made';
comment on column aigate.app_user.updated_at is 'Last change';

create table aigate.workspace (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null references aigate.organisation (id),
	slug text not null,
	name text not null,
	description text,
	icon text,
	metadata jsonb,
	defaults jsonb not null default '{}',
	usage_limits jsonb,
	rate_limits jsonb,
	is_default boolean not null default false,
	status text not null default 'active' check (status in ('active', 'archived')),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	unique (organisation_id, slug)
);
create unique index workspace_default_key on aigate.workspace (organisation_id) where is_default;
comment on table aigate.workspace is 'Part of an organisation with its own keys, providers and limits; W: control';
comment on column aigate.workspace.id is 'Internal number, also in the ledger';
comment on column aigate.workspace.uuid is 'Identifier the admin API shows';
comment on column aigate.workspace.organisation_id is 'Tenant';
comment on column aigate.workspace.slug is 'Short name, unique in the organisation';
comment on column aigate.workspace.name is 'Display name';
comment on column aigate.workspace.description is 'Free text';
comment on column aigate.workspace.icon is 'Icon of the console';
comment on column aigate.workspace.metadata is 'defaults.metadata: merged into every request of the workspace, null none';
comment on column aigate.workspace.defaults is 'Other defaults: guardrails, config of user keys';
comment on column aigate.workspace.usage_limits is 'Array of usage limits as the admin API shows them, null none';
comment on column aigate.workspace.rate_limits is 'Array of rate limits as the admin API shows them, null none';
comment on column aigate.workspace.is_default is 'The one workspace an organisation starts with';
comment on column aigate.workspace.status is 'active, archived (its keys answer 401)';
comment on column aigate.workspace.created_at is 'When it was made';
comment on column aigate.workspace.updated_at is 'Last change';

create table aigate.api_key (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null references aigate.organisation (id),
	workspace_id bigint references aigate.workspace (id),
	user_id bigint references aigate.app_user (id),
	kind text not null check (kind in ('organisation-service', 'workspace-service', 'workspace-user')),
	name text not null,
	description text,
	key_hash bytea not null unique check (octet_length(key_hash) = 32),
	key_mask text not null,
	scopes text[] not null default '{}',
	metadata jsonb,
	config_id text,
	allow_config_override boolean,
	expires_at timestamptz,
	usage_limits jsonb,
	rate_limits jsonb not null default '[]',
	alert_emails text[],
	creation_mode text not null default 'api',
	status text not null default 'active' check (status in ('active', 'disabled', 'deleted')),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	check ((kind = 'organisation-service') = (workspace_id is null))
);
create index api_key_organisation_ix on aigate.api_key (organisation_id, id desc);
create index api_key_workspace_ix on aigate.api_key (workspace_id, id desc);
comment on table aigate.api_key is 'API key of a client; the key itself is never stored; W: control';
comment on column aigate.api_key.id is 'Internal number, also in the ledger';
comment on column aigate.api_key.uuid is 'Identifier the admin API shows';
comment on column aigate.api_key.organisation_id is 'Tenant';
comment on column aigate.api_key.workspace_id is 'Workspace it works in; null for organisation keys';
comment on column aigate.api_key.user_id is 'Person it belongs to; null for service keys';
comment on column aigate.api_key.kind is 'organisation-service, workspace-service, workspace-user';
comment on column aigate.api_key.name is 'Display name';
comment on column aigate.api_key.description is 'Free text';
comment on column aigate.api_key.key_hash is 'SHA-256 of the key, 32 bytes; replaced by a rotation';
comment on column aigate.api_key.key_mask is 'First and last characters, for people';
comment on column aigate.api_key.scopes is 'What it may call';
comment on column aigate.api_key.metadata is 'defaults.metadata: merged into every request of the key, null none';
comment on column aigate.api_key.config_id is 'Slug of the default config, null none';
comment on column aigate.api_key.allow_config_override is 'Whether a request may name another config; null: yes';
comment on column aigate.api_key.expires_at is 'From then on it answers 401; null never';
comment on column aigate.api_key.usage_limits is 'Usage limit object as the admin API shows it, null none; its meter stands in meter';
comment on column aigate.api_key.rate_limits is 'Array of rate limits as the admin API shows them';
comment on column aigate.api_key.alert_emails is 'Who is told of thresholds; null: the owners';
comment on column aigate.api_key.creation_mode is 'api, ui, auto: how it came to be';
comment on column aigate.api_key.status is 'active, disabled, deleted (kept for the ledger)';
comment on column aigate.api_key.created_at is 'When it was made';
comment on column aigate.api_key.updated_at is 'Last change';

create table aigate.integration (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null references aigate.organisation (id),
	workspace_id bigint references aigate.workspace (id),
	slug text not null,
	name text not null,
	family text not null,
	description text,
	sealed_key bytea,
	key_mask text,
	configurations jsonb not null default '{}',
	custom_host text,
	allow_all_models boolean not null default true,
	global_access jsonb,
	status text not null default 'active' check (status in ('active', 'archived')),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	unique (organisation_id, slug)
);
comment on table aigate.integration is 'Account at a provider: credential, endpoint, models; W: control';
comment on column aigate.integration.id is 'Internal number, also in the ledger';
comment on column aigate.integration.uuid is 'Identifier the admin API shows';
comment on column aigate.integration.organisation_id is 'Tenant';
comment on column aigate.integration.workspace_id is 'Workspace that owns it; null: the organisation';
comment on column aigate.integration.slug is 'Short name, unique in the organisation';
comment on column aigate.integration.name is 'Display name';
comment on column aigate.integration.family is 'Provider family (ai_provider_id): openai, anthropic, ...';
comment on column aigate.integration.description is 'Free text';
comment on column aigate.integration.sealed_key is 'Credential sealed with AES-256-GCM (vault); null: the provider needs none';
comment on column aigate.integration.key_mask is 'First and last characters of the credential, for people';
comment on column aigate.integration.configurations is 'Settings of the family, without secrets';
comment on column aigate.integration.custom_host is 'Base URL instead of the default of the family, null none';
comment on column aigate.integration.allow_all_models is 'false: only models enabled in integration_model';
comment on column aigate.integration.global_access is 'Grant given to every workspace: enabled, usage_limits, rate_limits; null none';
comment on column aigate.integration.status is 'active, archived';
comment on column aigate.integration.created_at is 'When it was made';
comment on column aigate.integration.updated_at is 'Last change';

create table aigate.integration_model (
	id bigint generated always as identity primary key,
	integration_id bigint not null references aigate.integration (id),
	slug text not null,
	is_enabled boolean not null default true,
	is_custom boolean not null default false,
	is_finetune boolean not null default false,
	base_model text,
	pricing_config jsonb,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	unique (integration_id, slug)
);
comment on table aigate.integration_model is 'Model an integration names: enabled, disabled or made up; W: control';
comment on column aigate.integration_model.id is 'Internal number';
comment on column aigate.integration_model.integration_id is 'Integration';
comment on column aigate.integration_model.slug is 'Model as the provider is sent it';
comment on column aigate.integration_model.is_enabled is 'Whether it may be used';
comment on column aigate.integration_model.is_custom is 'Not in our catalogue';
comment on column aigate.integration_model.is_finetune is 'Fine-tuned from base_model';
comment on column aigate.integration_model.base_model is 'Model whose price and abilities count, null itself';
comment on column aigate.integration_model.pricing_config is 'Own price as the admin API shows it; its row stands in price';
comment on column aigate.integration_model.created_at is 'When it was made';
comment on column aigate.integration_model.updated_at is 'Last change';

create table aigate.integration_workspace (
	id bigint generated always as identity primary key,
	integration_id bigint not null references aigate.integration (id),
	workspace_id bigint not null references aigate.workspace (id),
	is_enabled boolean not null default true,
	usage_limits jsonb,
	rate_limits jsonb,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	unique (integration_id, workspace_id)
);
create index integration_workspace_workspace_ix on aigate.integration_workspace (workspace_id);
comment on table aigate.integration_workspace is 'Grant: a workspace may use an integration; W: control';
comment on column aigate.integration_workspace.id is 'Internal number, also in the ledger';
comment on column aigate.integration_workspace.integration_id is 'Integration';
comment on column aigate.integration_workspace.workspace_id is 'Workspace';
comment on column aigate.integration_workspace.is_enabled is 'Whether the grant is in force';
comment on column aigate.integration_workspace.usage_limits is 'Array of usage limits of this grant, null none';
comment on column aigate.integration_workspace.rate_limits is 'Array of rate limits of this grant, null none';
comment on column aigate.integration_workspace.created_at is 'When it was made';
comment on column aigate.integration_workspace.updated_at is 'Last change';

create table aigate.provider (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	workspace_id bigint not null references aigate.workspace (id),
	integration_workspace_id bigint not null references aigate.integration_workspace (id),
	slug text not null,
	name text not null,
	note text,
	usage_limits jsonb,
	rate_limits jsonb,
	expires_at timestamptz,
	status text not null default 'active' check (status in ('active', 'archived')),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	unique (workspace_id, slug)
);
create index provider_grant_ix on aigate.provider (integration_workspace_id);
comment on table aigate.provider is 'What @slug means in a workspace (also called a virtual key); W: control';
comment on column aigate.provider.id is 'Internal number, also in the ledger';
comment on column aigate.provider.uuid is 'Identifier the admin API shows';
comment on column aigate.provider.workspace_id is 'Workspace';
comment on column aigate.provider.integration_workspace_id is 'Grant it stands on';
comment on column aigate.provider.slug is 'Short name, unique in the workspace';
comment on column aigate.provider.name is 'Display name';
comment on column aigate.provider.note is 'Free text';
comment on column aigate.provider.usage_limits is 'Usage limit object as the admin API shows it, null none';
comment on column aigate.provider.rate_limits is 'Array of rate limits as the admin API shows them, null none';
comment on column aigate.provider.expires_at is 'From then on it is refused; null never';
comment on column aigate.provider.status is 'active, archived';
comment on column aigate.provider.created_at is 'When it was made';
comment on column aigate.provider.updated_at is 'Last change';

create table aigate.meter (
	id bigint generated always as identity primary key,
	organisation_id bigint not null references aigate.organisation (id),
	level text not null check (level in ('key', 'workspace', 'grant', 'provider', 'organisation', 'policy')),
	scope_id bigint not null,
	kind text not null check (kind in ('budget', 'rate', 'gauge')),
	unit text not null check (unit in ('nusd', 'tokens', 'requests')),
	limit_amount bigint not null check (limit_amount >= 0),
	alert_amount bigint check (alert_amount >= 0),
	window_us bigint check (window_us > 0),
	period_kind text not null default 'none'
		check (period_kind in ('none', 'weekly', 'monthly', 'days', 'weekly_monday')),
	period_days int check (period_days between 1 and 365),
	anchor_date date,
	resets int not null default 0 check (resets >= 0),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	retired_at timestamptz,
	check ((kind = 'rate') = (window_us is not null)),
	check ((period_kind = 'days') = (period_days is not null and anchor_date is not null))
);
create index meter_scope_ix on aigate.meter (level, scope_id) where retired_at is null;
comment on table aigate.meter is 'One row per limit; limit, alert and period are edited in place, a changed kind, unit or window retires the row; never deleted: the ledger refers to it; W: control';
comment on column aigate.meter.id is 'Number in shared memory, ledger and budget_state';
comment on column aigate.meter.organisation_id is 'Tenant';
comment on column aigate.meter.level is 'What scope_id names: key, workspace, grant (integration_workspace), provider, organisation, policy';
comment on column aigate.meter.scope_id is 'id in the table of level';
comment on column aigate.meter.kind is 'budget (over a period), rate (sliding window), gauge (at a time)';
comment on column aigate.meter.unit is 'nusd (nano-USD), tokens, requests';
comment on column aigate.meter.limit_amount is 'Ceiling, in unit';
comment on column aigate.meter.alert_amount is 'Amount at which people are told, in unit; null none';
comment on column aigate.meter.window_us is 'Length of the window of a rate, microseconds';
comment on column aigate.meter.period_kind is 'Budgets: none (for ever), weekly (Sunday 00:00 UTC), monthly, days, weekly_monday';
comment on column aigate.meter.period_days is 'Length of a period of kind days';
comment on column aigate.meter.anchor_date is 'First day of the first period of kind days, UTC';
comment on column aigate.meter.resets is 'Times the usage was reset by hand: shifts the period number';
comment on column aigate.meter.created_at is 'When it was made';
comment on column aigate.meter.updated_at is 'Last change';
comment on column aigate.meter.retired_at is 'When it went out of use; null in force';

create table aigate.audit_log (
	id bigint generated always as identity primary key,
	at timestamptz not null default now(),
	organisation_id bigint,
	actor_kind text not null,
	actor_id bigint,
	action text not null,
	object_kind text not null,
	object_uuid uuid,
	method text,
	uri text,
	client_ip text,
	request_id text,
	before jsonb,
	after jsonb
);
create index audit_log_organisation_ix on aigate.audit_log (organisation_id, at desc);
create index audit_log_object_ix on aigate.audit_log (object_uuid, at desc);
comment on table aigate.audit_log is 'Every change made through the admin API or aigatectl, secrets masked; W: control, insert only';
comment on column aigate.audit_log.id is 'Order of the changes';
comment on column aigate.audit_log.at is 'When';
comment on column aigate.audit_log.organisation_id is 'Tenant concerned, null none';
comment on column aigate.audit_log.actor_kind is 'api_key, user, operator, system';
comment on column aigate.audit_log.actor_id is 'id of the key or user, null for operator and system';
comment on column aigate.audit_log.action is 'create, update, delete, rotate, ...';
comment on column aigate.audit_log.object_kind is 'Table of the object';
comment on column aigate.audit_log.object_uuid is 'uuid of the object, null when it has none';
comment on column aigate.audit_log.method is 'HTTP method';
comment on column aigate.audit_log.uri is 'Path called';
comment on column aigate.audit_log.client_ip is 'Address of the client';
comment on column aigate.audit_log.request_id is 'Identifier of the request';
comment on column aigate.audit_log.before is 'Object before the change, secrets masked';
comment on column aigate.audit_log.after is 'Object after the change, secrets masked';
