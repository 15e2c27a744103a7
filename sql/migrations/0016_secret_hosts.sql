-- 0016: where a secret that is kept elsewhere may be sent.

alter table aigate.secret_reference
	add column allowed_hosts jsonb check (jsonb_typeof(allowed_hosts) = 'array');
comment on column aigate.secret_reference.allowed_hosts is 'Array of "host", "host:port" or "*.domain" its secret may be sent to, port 443 where none is said; null: the provider''s own, whichever it is';
