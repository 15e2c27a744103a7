-- 0013_rules.sql - how requests are served and what they may ask: configs and guardrails.  Writer: control.

create table aigate.config (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null references aigate.organisation (id),
	workspace_id bigint not null references aigate.workspace (id),
	slug text not null,
	name text not null,
	is_default boolean not null default false,
	status text not null default 'active' check (status in ('active', 'archived', 'deleted')),
	owner_key_id bigint references aigate.api_key (id),
	updated_key_id bigint references aigate.api_key (id),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	unique (organisation_id, slug)
);
create unique index config_default_key on aigate.config (workspace_id) where is_default and status = 'active';
create index config_workspace_ix on aigate.config (workspace_id, id desc);
comment on table aigate.config is 'How requests that name it are served: provider, parameters, timeout, guardrails; W: control';
comment on column aigate.config.id is 'Internal number, also in the slots of keys';
comment on column aigate.config.uuid is 'Identifier the admin API shows';
comment on column aigate.config.organisation_id is 'Tenant';
comment on column aigate.config.workspace_id is 'Workspace whose requests may name it';
comment on column aigate.config.slug is 'Short name (pc-...), unique in the organisation; api_key.config_id holds it';
comment on column aigate.config.name is 'Display name';
comment on column aigate.config.is_default is 'Serves requests of the workspace that name no config and whose key has none';
comment on column aigate.config.status is 'active, archived (requests that name it are refused), deleted';
comment on column aigate.config.owner_key_id is 'api_key.id that made it; null: an operator';
comment on column aigate.config.updated_key_id is 'api_key.id that changed it last; null: an operator, or nobody';
comment on column aigate.config.created_at is 'When it was made';
comment on column aigate.config.updated_at is 'Last change';

create table aigate.config_version (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	config_id bigint not null references aigate.config (id),
	body json not null,
	created_key_id bigint references aigate.api_key (id),
	created_at timestamptz not null default now()
);
create index config_version_config_ix on aigate.config_version (config_id, id desc);
comment on table aigate.config_version is 'What a config said from when on; the newest is in force; W: control';
comment on column aigate.config_version.id is 'Internal number: the highest of a config is in force';
comment on column aigate.config_version.uuid is 'version_id of the admin API';
comment on column aigate.config_version.config_id is 'Config';
comment on column aigate.config_version.body is 'The config as it was given';
comment on column aigate.config_version.created_key_id is 'api_key.id that wrote it; null: an operator';
comment on column aigate.config_version.created_at is 'When it was written';

create table aigate.guardrail (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null references aigate.organisation (id),
	workspace_id bigint references aigate.workspace (id),
	slug text not null,
	name text not null,
	checks jsonb not null,
	actions jsonb not null,
	version uuid not null default gen_random_uuid(),
	status text not null default 'active' check (status in ('active', 'archived')),
	owner_key_id bigint references aigate.api_key (id),
	updated_key_id bigint references aigate.api_key (id),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	unique (organisation_id, slug)
);
create index guardrail_workspace_ix on aigate.guardrail (workspace_id, id desc);
comment on table aigate.guardrail is 'Checks on requests and what follows from them; W: control';
comment on column aigate.guardrail.id is 'Internal number';
comment on column aigate.guardrail.uuid is 'Identifier the admin API shows';
comment on column aigate.guardrail.organisation_id is 'Tenant';
comment on column aigate.guardrail.workspace_id is 'Workspace that owns it; null: the organisation';
comment on column aigate.guardrail.slug is 'Short name (pg-...), unique in the organisation';
comment on column aigate.guardrail.name is 'Display name';
comment on column aigate.guardrail.checks is 'Array of {id, parameters, is_enabled}';
comment on column aigate.guardrail.actions is 'Object: deny, async, feedback';
comment on column aigate.guardrail.version is 'version_id of the admin API: new with every change';
comment on column aigate.guardrail.status is 'active, archived (deleted; kept for the audit log)';
comment on column aigate.guardrail.owner_key_id is 'api_key.id that made it; null: an operator';
comment on column aigate.guardrail.updated_key_id is 'api_key.id that changed it last; null: an operator, or nobody';
comment on column aigate.guardrail.created_at is 'When it was made';
comment on column aigate.guardrail.updated_at is 'Last change';

create table aigate.guardrail_default (
	id bigint generated always as identity primary key,
	organisation_id bigint not null references aigate.organisation (id),
	workspace_id bigint references aigate.workspace (id),
	guardrail_id bigint not null references aigate.guardrail (id),
	position int not null check (position >= 0)
);
create unique index guardrail_default_key on aigate.guardrail_default
	(organisation_id, coalesce(workspace_id, 0), guardrail_id);
create index guardrail_default_guardrail_ix on aigate.guardrail_default (guardrail_id);
comment on table aigate.guardrail_default is 'Guardrails every request of an organisation or a workspace passes, whatever its config; W: control';
comment on column aigate.guardrail_default.id is 'Internal number';
comment on column aigate.guardrail_default.organisation_id is 'Tenant';
comment on column aigate.guardrail_default.workspace_id is 'Workspace whose requests pass it; null: all workspaces that are not excluded';
comment on column aigate.guardrail_default.guardrail_id is 'Guardrail';
comment on column aigate.guardrail_default.position is 'Order among those of the same organisation or workspace, from 0';

create table aigate.guardrail_exclusion (
	workspace_id bigint primary key references aigate.workspace (id),
	created_at timestamptz not null default now()
);
comment on table aigate.guardrail_exclusion is 'Workspaces exempt from the default guardrails of their organisation; W: control';
comment on column aigate.guardrail_exclusion.workspace_id is 'Workspace; its own default guardrails stay in force';
comment on column aigate.guardrail_exclusion.created_at is 'Since when';

alter table aigate.workspace add column user_config_id bigint references aigate.config (id);
comment on column aigate.workspace.user_config_id is 'defaults.user_api_key_config: config of user keys that have none of their own, null none';
