/* directives.h - one row is the whole truth of a directive: field of struct ag_conf, parser,
 * check, `aigated -T` (configuration in force), sample file and aigated.conf(5).
 *
 * D(name, TYPE, default, min, max, RELOAD, text)
 * TYPE: STRING (char *), PATH (char *), LISTEN (list), SIZE (uint64_t bytes: 64k 8m 1g), UINT
 * (uint32_t), DURATION (int64_t us: 200ms 5s 1m 1h 1d), BOOL (on|off), ENUM_x (uint32_t), RATIO
 * (uint32_t: millionths of a part: 0 0.25 1).
 * RELOAD: NOW (running processes take it at HUP), NEW (new connections or requests), RESTART.
 * Included many times: no guard. */
D(listen, LISTEN, "127.0.0.1:8787", "", "", RESTART,
  "Address and port to accept clients on; may be given several times, up to 16.  Append tls to speak TLS there.  Port 0 takes any free port; it is written to run_dir/ports.")
D(tls_certificate, PATH, "", "", "", NEW,
  "PEM file with the certificate chain for listeners marked tls.  Re-read at HUP.")
D(tls_certificate_key, PATH, "", "", "", NEW,
  "PEM file with the key of tls_certificate.  Must be readable by user.  Re-read at HUP.")
D(user, STRING, "aigated", "", "", RESTART,
  "Account all processes change to when started as root.")
D(workers, UINT, "0", "0", "64", RESTART,
  "Number of worker processes; 0 means one a core.")
D(run_dir, PATH, "/run/aigated", "", "", RESTART,
  "Directory of the control socket, the operators' socket, the pid file and the file of bound ports.")
D(log_file, PATH, "stderr", "", "", NOW,
  "File the log goes to, or stderr.  Reopened at USR1.")
D(log_level, ENUM_LOG_LEVEL, "info", "", "", NOW,
  "Least important messages written: error, warn, notice, info or debug.")
D(database, STRING, "", "", "", RESTART,
  "Connection string of PostgreSQL, as libpq takes it.")
D(master_key_file, PATH, "", "", "", RESTART,
  "File with the 256-bit key that seals provider credentials: 64 hexadecimal digits, readable by user alone.")
D(journal_dir, PATH, "/var/lib/aigated/journal", "", "", RESTART,
  "Directory of the journal that holds ledger records while PostgreSQL is slow or away.")
D(journal_sync, DURATION, "200ms", "0", "10s", NOW,
  "Longest time a record waits before it is synced to disk: what a power cut may cost.  A disk that takes longer makes it cost more, and keeps four times the rings in memory meanwhile (64m to 512m): the log and /readyz tell.")
D(journal_max, SIZE, "4g", "1m", "1t", NOW,
  "Ceiling of the journal's size.  When it is reached and the rings are full, full_ring decides.")
D(export_dir, PATH, "/var/lib/aigated/exports", "", "", NEW,
  "Directory that exports of logs are written to, made when the first is.")
D(export_lifetime, DURATION, "7d", "0", "36500d", NOW,
  "Age at which the file of an export is removed, counted from its end; the export is expired then, and can be started again.  0 keeps all.")
D(full_ring, ENUM_FULL_RING, "refuse", "", "", NOW,
  "What to do with requests that could not be recorded: refuse (503) or serve (unrecorded, counted).")
D(body_ring, SIZE, "4m", "0", "1g", RESTART,
  "Room, for each worker, for bodies of requests and answers on their way to PostgreSQL, where a workspace wants them kept; rounded up to a power of two, 64k at least.  Bodies for which there is no room are given up and counted; records of the ledger never wait for them.  0: no workspace can have bodies kept.")
D(body_log_max, SIZE, "64k", "1k", "1m", NEW,
  "How much of the body of a request, and as much of its answer, is kept at most; what is longer is cut and marked so.")
D(body_retention, DURATION, "30d", "0", "36500d", NOW,
  "Age at which bodies are dropped, a day of them at a time; 0 keeps all.")
D(flush_interval, DURATION, "100ms", "1ms", "10s", NOW,
  "Longest time a record waits in a ring before the flusher takes it.")
D(flush_batch, UINT, "5000", "1", "100000", NOW,
  "Most records committed to PostgreSQL in one transaction.")
D(ledger_partition, ENUM_PARTITION, "month", "", "", NOW,
  "What a partition of the ledger holds: a month, or a day.  Partitions are made ahead, three of them; those that stand stay as they are.")
D(ledger_retention, DURATION, "0", "0", "36500d", NOW,
  "Age at which a partition of the ledger is dropped, counted from its newest row; 0 keeps all.  Roll-ups and budgets stay.  Nobody waits for it when the database account owns the ledger; another waits half a second at most.")
D(rollup_metadata, STRING, "", "", "", NOW,
  "Keys of the metadata, up to 8, comma-separated, that metadata_hour counts by.  Each value makes rows of its own: choose keys with few.")
D(shm_name, STRING, "/aigated", "", "", RESTART,
  "Name of the shared memory segment.")
D(shm_replace, BOOL, "off", "", "", RESTART,
  "Whether a segment whose layout or sizes differ may be replaced at start; its meters are rebuilt from PostgreSQL and the journal; refused while usage stands in it that is stored nowhere else.")
D(max_keys, UINT, "65536", "16", "8388608", RESTART,
  "API keys that fit in shared memory.")
D(max_meters, UINT, "262144", "64", "33554432", RESTART,
  "Budgets and rate limits that fit in shared memory.")
D(max_objects, UINT, "524288", "1024", "16777216", RESTART,
  "Objects of providers (files, batches, stored answers and their kind) whose owners fit in shared memory, 16 bytes each; rounded up to a power of two.  Stored answers make room, the oldest first; other objects that find no room are refused to everybody.")
D(max_inflight, UINT, "1024", "1", "65536", RESTART,
  "Requests one worker may have in flight; more are refused with 503.")
D(ring_size, SIZE, "16m", "64k", "1g", RESTART,
  "Size of each worker's usage ring; rounded up to a power of two.")
D(catalog_size, SIZE, "16m", "64k", "1g", RESTART,
  "Room for the catalogue of organisations, workspaces, integrations, models and prices.")
D(max_connections, UINT, "4096", "1", "1000000", NEW,
  "Client connections one worker keeps open; more are closed at once.")
D(max_head, SIZE, "32k", "1k", "1m", NEW,
  "Longest request line and headers.")
D(max_body, SIZE, "32m", "1k", "1g", NEW,
  "Longest request body.")
D(body_memory, SIZE, "1g", "64k", "1t", NEW,
  "Memory one worker spends on bodies longer than 16k: requests that arrive or wait for their answer, and answers kept to read their usage.  A request that would pass it is refused with 503; an answer goes on and is charged by an estimate.")
D(client_head_timeout, DURATION, "10s", "100ms", "10m", NEW,
  "Time a client has to send a whole request head.")
D(client_body_timeout, DURATION, "60s", "100ms", "1h", NEW,
  "Longest silence while a client sends a body.")
D(client_write_timeout, DURATION, "60s", "100ms", "1h", NEW,
  "Longest time a client may leave an answer unread before it is cut.")
D(keepalive_timeout, DURATION, "75s", "0", "1d", NEW,
  "Time an idle client connection is kept.")
D(keepalive_requests, UINT, "100000", "1", "4294967295", NEW,
  "Requests served on one client connection before it is closed.")
D(shutdown_timeout, DURATION, "30s", "0", "1h", NOW,
  "Longest time a process may take to finish what is in flight when told to drain.")
D(upstream_connect_timeout, DURATION, "5s", "10ms", "10m", NEW,
  "Time to connect to a provider, TLS included.")
D(upstream_first_byte_timeout, DURATION, "10m", "10ms", "1h", NEW,
  "Time a provider has to begin its answer.  A client asks for less by x-portkey-request-timeout.")
D(stream_idle_timeout, DURATION, "60s", "100ms", "1h", NEW,
  "Longest silence allowed between two pieces of an answer.")
D(upstream_keepalive, UINT, "64", "0", "10000", NEW,
  "Idle connections each worker keeps to one provider host.")
D(upstream_keepalive_timeout, DURATION, "60s", "0", "1d", NEW,
  "Time an idle provider connection is kept.")
D(upstream_ca_file, PATH, "", "", "", NEW,
  "PEM file of authorities providers are verified against; empty: those of the system.")
D(trusted_hosts, STRING, "", "", "", NOW,
  "Comma-separated hosts (or host:port) that custom_host may name, and the host of any provider may resolve to, although they are private, loopback or internal.")
D(instance_metadata, STRING, "", "", "", NEW,
  "Where the cloud tells this machine's own identity, such as http://169.254.169.254; what azure_auth_mode managed and vertex_auth_type workload are had from. Empty: neither is accepted. Whoever may make integrations may then call providers as this machine.")
D(default_max_tokens, UINT, "8192", "1", "10000000", NEW,
  "Output limit written into a request that carries none and stands on a money or token budget.")
D(default_max_tokens_reasoning, UINT, "32000", "1", "10000000", NEW,
  "The same for reasoning models.")
D(default_max_tool_calls, UINT, "4", "1", "1000", NEW,
  "Calls of a provider's own tools (web search, for one) that a request is held for which limits them by nothing and stands on a money or token budget; written into it where the protocol has a place (max_tool_calls of responses, max_uses of Anthropic's tools).  Each may read the whole prompt once more.")
D(fit_min_tokens, UINT, "256", "1", "1000000", NEW,
  "Least output limit a request is fitted down to before it is refused.")
D(unpriced_model, ENUM_UNPRICED, "refuse", "", "", NEW,
  "What to do with a model without a price under a money budget: refuse, or flat.")
D(unpriced_flat_usd, USD, "0.10", "0", "1000", NEW,
  "US dollars charged for a request to an unpriced model when unpriced_model is flat.")
D(guardrail_fail_open, BOOL, "off", "", "", NEW,
  "Whether a check of a guardrail that cannot be decided (model rules that name no model for a request, for one) counts as passed, unless its parameter failOnError says otherwise.  off: it counts as failed.")
D(unknown_usage, ENUM_UNKNOWN, "estimate", "", "", NEW,
  "What is charged when a provider did work and did not tell how much: estimate (the prompt, and half a token for each byte of the answer), or hold (all that was held).")
D(assumed_service_tier, ENUM_TIER, "priority", "", "", NEW,
  "Service tier at whose price a request is held that names none: priority, because the provider's project may have that default, or standard, when it is known to have none.  Only for models with a price for priority; charged is the tier the answer reports.")
D(adaptive_quantile, UINT, "95", "50", "99", NEW,
  "Per cent of a key's earlier answers of a model whose output an adaptive budget holds enough for.")
D(adaptive_samples, UINT, "20", "1", "500", NEW,
  "Answers an adaptive budget must have seen from a key's model before it holds less than the worst case.")
D(hold_wait, DURATION, "0", "0", "10m", NEW,
  "Time a request may wait when it does not fit into a budget, or a limit of requests at a time, only because of what other requests in flight hold.  0 refuses at once.")
D(hold_wait_max, UINT, "256", "0", "4096", NEW,
  "Requests one worker lets wait so; more are refused at once.")
D(admin_rate, UINT, "30000", "0", "1000000", NEW,
  "Admin calls a minute one key may make in the long run; more are refused with 429.  0: any number.")
D(admin_burst, UINT, "3000", "1", "1000000", NEW,
  "Admin calls one key may make at once.")
D(admin_auth_failures, UINT, "60", "0", "1000000", NEW,
  "Failed authentications a minute that one address (IPv6: one /64) may have at the admin API, and at once; more are "
  "refused with 429, without a look at the key.  Keys that were right from there within the last hour are not "
  "affected.  0: any number.")
D(admin_timeout, DURATION, "30s", "1s", "10m", NEW,
  "Longest time an admin call waits for PostgreSQL before it is refused with 503.")
D(credential_dir, PATH, "", "", "", NEW,
  "Directory whose files secret references may read; the gateway's account must be able to.  Among several "
  "organisations a file's name begins with its owner's slug and a dot, such as acme.openai.  Empty: none.  "
  "References may also read variables of the gateway's environment: AIGATE_SECRET_NAME, among several "
  "organisations AIGATE_SECRET_ACME__NAME, with the slug in capitals; see aigated(8).")
D(credential_refresh, DURATION, "5m", "1s", "1d", NEW,
  "How often credentials that are kept elsewhere are read anew.")
D(public_url, STRING, "", "", "", NEW,
  "How clients reach this gateway, such as https://ai.example.com: what the links in invites begin with.")
D(alert_webhook, STRING, "", "", "", NEW,
  "URL (http or https) that budget alerts are posted to as JSON, signed with alert_secret_file.  Tried again with growing pauses for a day.")
D(alert_secret_file, PATH, "", "", "", NEW,
  "File with the secret alerts are signed with: the header x-aigate-signature is t=SECONDS,v1=HEX, where HEX is HMAC-SHA256 over SECONDS, a full stop and the body.  Not readable by all; needed with alert_webhook.")
D(alert_command, PATH, "", "", "", NEW,
  "Program run for each budget alert with the JSON on its standard input, without arguments and without a shell; exit status 0 means taken.  It has 30 seconds.")
D(metrics_listen, STRING, "", "", "", RESTART,
  "Address and port of a listener of its own for Prometheus: GET /metrics, for operators, without a key.  Port 0 takes any free port, written to run_dir/ports.  Empty: none.")
D(access_log, PATH, "", "", "", RESTART,
  "File for a line of JSON about each request the workers answered, refused ones too; see ACCESS LOG in aigated(8).  Reopened at USR1.  Empty: none.")
D(access_log_sample, RATIO, "1", "0", "1", NOW,
  "Part of the requests answered without an error that the access log keeps; errors and refusals are always kept.")
D(otlp_endpoint, STRING, "", "", "", RESTART,
  "URL of a collector that takes OpenTelemetry's spans over HTTP, such as http://127.0.0.1:4318, to which /v1/traces is added: a span is sent for each request for a provider and one for each attempt.  See TRACES in aigated(8).  Empty: none.")
D(otlp_headers_file, PATH, "", "", "", NOW,
  "File with headers for the collector, a line such as Authorization: Bearer TOKEN each.  Not readable by all; read anew for each batch.")
D(otlp_ca_file, PATH, "", "", "", NOW,
  "PEM file of authorities the collector is verified against; empty: those of the system.")
D(otlp_timeout, DURATION, "10s", "100ms", "5m", NOW,
  "Time the collector has to take a batch.")
D(otlp_interval, DURATION, "1s", "10ms", "1m", NOW,
  "Longest time a span waits for others to be sent with.")
D(otlp_batch, UINT, "512", "1", "10000", NOW,
  "Spans that are sent together; a batch that has them does not wait.")
D(otlp_queue, SIZE, "16m", "64k", "1g", NOW,
  "Room for spans the collector has not taken.  Those that find it full are dropped and counted.")
D(otlp_service, STRING, "aigated", "", "", RESTART,
  "What spans give as service.name.")
D(trace_sample, RATIO, "1", "0", "1", NEW,
  "Part of the traces begun here whose spans are sent; of a client's own its traceparent decides.")
D(telemetry_buffer, SIZE, "1m", "64k", "1g", RESTART,
  "Room for what each worker has told the telemetry process and that has not been taken; rounded up to a power of two.  What finds it full is dropped and counted.")
D(trace_propagate, BOOL, "off", "", "", NEW,
  "Whether providers are sent a traceparent with our span of the attempt as the parent, and with it the client's tracestate and baggage.  off: none of the three leaves; most providers have no use for them, and what a client's say is not theirs.")
D(govern, BOOL, "on", "", "", RESTART,
  "off: an ungoverned relay for measurements; keys are looked up, but no meters are taken and no records written.  Never for customers.")
