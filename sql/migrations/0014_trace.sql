-- 0014_trace.sql - what the ids of traces in the ledger are.  Writer: flusher.

comment on column aigate.ledger.trace_id is 'Trace of the request: as the client named it (x-portkey-trace-id), else that of its traceparent, else request_id';
comment on column aigate.ledger.span_id is 'Our span of the attempt, 16 hexadecimal digits, as exported and sent to the provider; null not traced';
