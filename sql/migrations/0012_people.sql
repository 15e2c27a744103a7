-- 0012_people.sql - members of workspaces, invites, two secrets of a key, references to secrets kept elsewhere.
-- Writer: control.

create table aigate.workspace_user (
	id bigint generated always as identity primary key,
	workspace_id bigint not null references aigate.workspace (id),
	user_id bigint not null references aigate.app_user (id),
	role text not null default 'member' check (role in ('admin', 'manager', 'member')),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	unique (workspace_id, user_id)
);
create index workspace_user_user_ix on aigate.workspace_user (user_id);
comment on table aigate.workspace_user is 'Member of a workspace; a row goes when the person leaves it; W: control';
comment on column aigate.workspace_user.id is 'Internal number';
comment on column aigate.workspace_user.workspace_id is 'Workspace';
comment on column aigate.workspace_user.user_id is 'Person';
comment on column aigate.workspace_user.role is 'admin, manager, member: bounds what the person''s keys may do there';
comment on column aigate.workspace_user.created_at is 'When the person joined';
comment on column aigate.workspace_user.updated_at is 'Last change';

create table aigate.invite (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null references aigate.organisation (id),
	email text not null,
	role text not null check (role in ('admin', 'member')),
	workspaces jsonb not null default '[]',
	key_scopes text[],
	token_hash bytea not null unique check (octet_length(token_hash) = 32),
	status text not null default 'pending' check (status in ('pending', 'cancelled', 'accepted')),
	invited_by_key_id bigint references aigate.api_key (id),
	user_id bigint references aigate.app_user (id),
	created_at timestamptz not null default now(),
	expires_at timestamptz not null,
	accepted_at timestamptz,
	updated_at timestamptz not null default now(),
	check ((status = 'accepted') = (accepted_at is not null))
);
create index invite_organisation_ix on aigate.invite (organisation_id, id desc);
create unique index invite_pending_key on aigate.invite (organisation_id, lower(email)) where status = 'pending';
comment on table aigate.invite is 'Invitation to an organisation; accepted with a token that is told once; W: control';
comment on column aigate.invite.id is 'Internal number';
comment on column aigate.invite.uuid is 'Identifier the admin API shows';
comment on column aigate.invite.organisation_id is 'Tenant';
comment on column aigate.invite.email is 'Address of the person; one pending invite an address';
comment on column aigate.invite.role is 'Role in the organisation: admin, member';
comment on column aigate.invite.workspaces is 'Array of {id: workspace.id, role} joined on acceptance';
comment on column aigate.invite.key_scopes is 'Scopes of the key made in each of the workspaces on acceptance, null no keys';
comment on column aigate.invite.token_hash is 'SHA-256 of the token in the link, 32 bytes; replaced when it is sent again';
comment on column aigate.invite.status is 'pending (expired after expires_at), cancelled, accepted';
comment on column aigate.invite.invited_by_key_id is 'Key that invited, null an operator';
comment on column aigate.invite.user_id is 'Person it became, null not yet';
comment on column aigate.invite.created_at is 'When it was made';
comment on column aigate.invite.expires_at is 'From then on it cannot be accepted';
comment on column aigate.invite.accepted_at is 'When it was accepted, null not';
comment on column aigate.invite.updated_at is 'Last change';

alter table aigate.api_key
	add column former_hash bytea unique check (octet_length(former_hash) = 32),
	add column former_expires_at timestamptz,
	add column rotated_at timestamptz,
	add check ((former_hash is null) = (former_expires_at is null));
comment on column aigate.api_key.former_hash is 'SHA-256 of the secret before the last rotation, 32 bytes; null once it is revoked or replaced';
comment on column aigate.api_key.former_expires_at is 'From then on the former secret answers 401';
comment on column aigate.api_key.rotated_at is 'Last rotation, null never';
create index api_key_user_ix on aigate.api_key (user_id) where user_id is not null;

create table aigate.secret_reference (
	id bigint generated always as identity primary key,
	uuid uuid not null unique default gen_random_uuid(),
	organisation_id bigint not null references aigate.organisation (id),
	slug text not null,
	name text not null,
	description text,
	manager_type text not null check (manager_type in ('hashicorp_vault', 'file', 'environment')),
	auth_config jsonb not null default '{}',
	sealed_auth bytea not null,
	secret_path text not null,
	secret_key text,
	allow_all_workspaces boolean not null default true,
	tags jsonb not null default '{}',
	checked_at timestamptz,
	last_error text,
	status text not null default 'active' check (status in ('active', 'archived')),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	unique (organisation_id, slug)
);
comment on table aigate.secret_reference is 'Where a credential is to be read instead of being given to us; W: control';
comment on column aigate.secret_reference.id is 'Internal number';
comment on column aigate.secret_reference.uuid is 'Identifier the admin API shows';
comment on column aigate.secret_reference.organisation_id is 'Tenant';
comment on column aigate.secret_reference.slug is 'Short name, unique in the organisation';
comment on column aigate.secret_reference.name is 'Display name';
comment on column aigate.secret_reference.description is 'Free text';
comment on column aigate.secret_reference.manager_type is 'hashicorp_vault, file, environment';
comment on column aigate.secret_reference.auth_config is 'How to reach the manager, secrets masked, for people';
comment on column aigate.secret_reference.sealed_auth is 'The same with its secrets, sealed with AES-256-GCM (vault)';
comment on column aigate.secret_reference.secret_path is 'Path at the manager, file below credential_dir, or variable';
comment on column aigate.secret_reference.secret_key is 'Member of the secret that is meant; null: the only one, or all of it';
comment on column aigate.secret_reference.allow_all_workspaces is 'Whether integrations of any workspace may use it; else those of secret_reference_workspace';
comment on column aigate.secret_reference.tags is 'Object of texts for people';
comment on column aigate.secret_reference.checked_at is 'Last time it was read, null never';
comment on column aigate.secret_reference.last_error is 'Why it could not be read the last time, null it could';
comment on column aigate.secret_reference.status is 'active, archived';
comment on column aigate.secret_reference.created_at is 'When it was made';
comment on column aigate.secret_reference.updated_at is 'Last change';

create table aigate.secret_reference_workspace (
	secret_reference_id bigint not null references aigate.secret_reference (id),
	workspace_id bigint not null references aigate.workspace (id),
	created_at timestamptz not null default now(),
	primary key (secret_reference_id, workspace_id)
);
comment on table aigate.secret_reference_workspace is 'Workspaces whose integrations may use a secret reference; W: control';
comment on column aigate.secret_reference_workspace.secret_reference_id is 'Secret reference';
comment on column aigate.secret_reference_workspace.workspace_id is 'Workspace';
comment on column aigate.secret_reference_workspace.created_at is 'Since when';

create table aigate.integration_secret (
	integration_id bigint primary key references aigate.integration (id),
	secret_reference_id bigint not null references aigate.secret_reference (id),
	secret_key text,
	value_format text check (value_format in ('json', 'string')),
	created_at timestamptz not null default now()
);
create index integration_secret_reference_ix on aigate.integration_secret (secret_reference_id);
comment on table aigate.integration_secret is 'Integrations whose key is read through a secret reference; integration.sealed_key holds what was read last; W: control';
comment on column aigate.integration_secret.integration_id is 'Integration';
comment on column aigate.integration_secret.secret_reference_id is 'Secret reference';
comment on column aigate.integration_secret.secret_key is 'Member of the secret instead of the one the reference names, null that';
comment on column aigate.integration_secret.value_format is 'json: the secret is a JSON object of which secret_key is a member; null string';
comment on column aigate.integration_secret.created_at is 'When it was made';
