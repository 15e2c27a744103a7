-- 0019_object.sql - who made what providers keep.  Writer: flusher.

create table aigate.provider_object (
	integration_id bigint not null,
	object_id text not null,
	workspace_id bigint not null,
	api_key_id bigint,
	is_fleeting boolean not null,
	created_at timestamptz not null,
	primary key (integration_id, object_id)
);
create index provider_object_fleeting_ix on aigate.provider_object (created_at) where is_fleeting;
comment on table aigate.provider_object is 'Files, batches, stored answers and their kind that a workspace made in the account of an integration: nobody else may name them; W: flusher, with the ledger row';
comment on column aigate.provider_object.integration_id is 'Whose account it is in';
comment on column aigate.provider_object.object_id is 'The id the provider gave it';
comment on column aigate.provider_object.workspace_id is 'Workspace that made it: the owner';
comment on column aigate.provider_object.api_key_id is 'api_key.id it was made with';
comment on column aigate.provider_object.is_fleeting is 'The provider deletes it some day (a stored answer): forgotten after 31 days';
comment on column aigate.provider_object.created_at is 'When the request came that made it (wall clock)';
