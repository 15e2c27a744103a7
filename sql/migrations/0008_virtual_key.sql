-- 0008_virtual_key.sql - providers that came with a credential of their own.  Writer: control.

alter table aigate.provider
	add column owns_integration boolean not null default false;
comment on column aigate.provider.owns_integration is 'Made as a virtual key: the integration below it was made for it alone, changes with it and goes with it';
