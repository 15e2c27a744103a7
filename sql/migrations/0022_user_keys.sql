-- 0022_user_keys.sql - what a workspace demands of the keys of its people.  Writer: control.

alter table aigate.workspace
	add column user_key_ttl_days int check (user_key_ttl_days > 0),
	add column user_key_max_ttl_days int check (user_key_max_ttl_days > 0),
	add column user_key_count int check (user_key_count >= 0),
	add column user_key_metadata jsonb
		check (user_key_metadata = 'true' or jsonb_typeof(user_key_metadata) = 'object'),
	add column user_key_metadata_override boolean not null default true,
	add check (user_key_ttl_days <= user_key_max_ttl_days);
comment on column aigate.workspace.user_key_ttl_days is 'Days a new key of a person lives unless it says otherwise; null: as long as it may';
comment on column aigate.workspace.user_key_max_ttl_days is 'Days such a key lives at most, from its creation or last rotation; null: no limit of the workspace';
comment on column aigate.workspace.user_key_count is 'How many keys that work one person may have in the workspace; null: any number';
comment on column aigate.workspace.user_key_metadata is 'Object of metadata that each such key carries, or true: {"_user": address of the person}; null: none';
comment on column aigate.workspace.user_key_metadata_override is 'Whether what the key itself and its requests say goes before user_key_metadata';

create table aigate.user_key_turn (
	workspace_id bigint not null references aigate.workspace (id),
	user_id bigint not null references aigate.app_user (id),
	turns bigint not null default 1,
	primary key (workspace_id, user_id)
);
comment on table aigate.user_key_turn is 'Keys of a person are counted one after the other: of two who add one at a time the second meets this row changed, and begins anew; W: control';
comment on column aigate.user_key_turn.workspace_id is 'Workspace that limits the number';
comment on column aigate.user_key_turn.user_id is 'Person';
comment on column aigate.user_key_turn.turns is 'How often it was counted; changes so that the row does';
