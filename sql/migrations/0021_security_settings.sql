-- 0021_security_settings.sql - what a workspace closes to its members and managers.  Writer: control.

alter table aigate.workspace
	add column security_settings jsonb not null default '{}'
		check (jsonb_typeof(security_settings) = 'object');
comment on column aigate.workspace.security_settings is 'Switches for the keys of members, managers and admins of the organisation: name to boolean; one that is not here stands as it does at first';

alter table aigate.log_export
	add column only_user_id bigint references aigate.app_user (id);
comment on column aigate.log_export.only_user_id is 'Logs of this person''s keys alone: who asked may see no others; null all of the workspace';
