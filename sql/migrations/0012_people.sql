-- 0012_people.sql - members of workspaces, invites and two secrets of a key.
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
