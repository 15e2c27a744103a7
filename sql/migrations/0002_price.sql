-- 0002_price.sql - what models cost.  Writer: control.
-- A price is never edited once a ledger row may refer to it: a change is a new effective_from.

create table aigate.price (
	id bigint generated always as identity primary key,
	integration_id bigint references aigate.integration (id),
	family text not null,
	model text not null,
	mode text not null,
	effective_from timestamptz not null default '-infinity',
	in_pusd bigint check (in_pusd >= 0),
	cached_in_pusd bigint check (cached_in_pusd >= 0),
	cache_w_5m_pusd bigint check (cache_w_5m_pusd >= 0),
	cache_w_1h_pusd bigint check (cache_w_1h_pusd >= 0),
	out_pusd bigint check (out_pusd >= 0),
	reasoning_pusd bigint check (reasoning_pusd >= 0),
	audio_in_pusd bigint check (audio_in_pusd >= 0),
	audio_out_pusd bigint check (audio_out_pusd >= 0),
	image_in_pusd bigint check (image_in_pusd >= 0),
	image_out_pusd bigint check (image_out_pusd >= 0),
	t_in_pusd bigint check (t_in_pusd >= 0),
	t_cached_in_pusd bigint check (t_cached_in_pusd >= 0),
	t_cache_w_5m_pusd bigint check (t_cache_w_5m_pusd >= 0),
	t_out_pusd bigint check (t_out_pusd >= 0),
	batch_in_pusd bigint check (batch_in_pusd >= 0),
	batch_cached_in_pusd bigint check (batch_cached_in_pusd >= 0),
	batch_out_pusd bigint check (batch_out_pusd >= 0),
	flex_in_pusd bigint check (flex_in_pusd >= 0),
	flex_cached_in_pusd bigint check (flex_cached_in_pusd >= 0),
	flex_out_pusd bigint check (flex_out_pusd >= 0),
	prio_in_pusd bigint check (prio_in_pusd >= 0),
	prio_cached_in_pusd bigint check (prio_cached_in_pusd >= 0),
	prio_out_pusd bigint check (prio_out_pusd >= 0),
	unit_pusd bigint check (unit_pusd >= 0),
	search_pusd bigint check (search_pusd >= 0),
	request_pusd bigint check (request_pusd >= 0),
	tier_gt bigint check (tier_gt > 0),
	tier_is_ge boolean not null default false,
	context_window int check (context_window >= 0),
	max_output int check (max_output >= 0),
	unit text,
	flags int not null default 0,
	source text,
	created_at timestamptz not null default now()
);
-- null is a value here: one list price per (family, model, from)
create unique index price_key on aigate.price (coalesce(integration_id, 0), family, model, effective_from);
create index price_integration_ix on aigate.price (integration_id) where integration_id is not null;
comment on table aigate.price is 'Prices in pico-USD per token or unit, null none given; W: control';
comment on column aigate.price.id is 'Number kept in the ledger';
comment on column aigate.price.integration_id is 'Custom price of this integration; null: list price';
comment on column aigate.price.family is 'Provider family';
comment on column aigate.price.model is 'Model as the provider names it';
comment on column aigate.price.mode is 'chat, responses, completion, embedding, image, audio_transcription, audio_speech, rerank, moderation';
comment on column aigate.price.effective_from is 'From when on it counts';
comment on column aigate.price.in_pusd is 'Input tokens, per token, pico-USD';
comment on column aigate.price.cached_in_pusd is 'Input tokens read from the cache, pico-USD';
comment on column aigate.price.cache_w_5m_pusd is 'Input tokens written to the 5-minute cache, pico-USD';
comment on column aigate.price.cache_w_1h_pusd is 'Input tokens written to the 1-hour cache, pico-USD';
comment on column aigate.price.out_pusd is 'Output tokens, pico-USD';
comment on column aigate.price.reasoning_pusd is 'Reasoning tokens, where they cost other than output, pico-USD';
comment on column aigate.price.audio_in_pusd is 'Audio tokens in, pico-USD';
comment on column aigate.price.audio_out_pusd is 'Audio tokens out, pico-USD';
comment on column aigate.price.image_in_pusd is 'Image tokens in, pico-USD';
comment on column aigate.price.image_out_pusd is 'Image tokens out, pico-USD';
comment on column aigate.price.t_in_pusd is 'Input tokens above tier_gt, pico-USD';
comment on column aigate.price.t_cached_in_pusd is 'Cached input above tier_gt, pico-USD';
comment on column aigate.price.t_cache_w_5m_pusd is 'Cache writes above tier_gt, pico-USD';
comment on column aigate.price.t_out_pusd is 'Output tokens above tier_gt, pico-USD';
comment on column aigate.price.batch_in_pusd is 'Input, batch tier, pico-USD';
comment on column aigate.price.batch_cached_in_pusd is 'Cached input, batch tier, pico-USD';
comment on column aigate.price.batch_out_pusd is 'Output, batch tier, pico-USD';
comment on column aigate.price.flex_in_pusd is 'Input, flex tier, pico-USD';
comment on column aigate.price.flex_cached_in_pusd is 'Cached input, flex tier, pico-USD';
comment on column aigate.price.flex_out_pusd is 'Output, flex tier, pico-USD';
comment on column aigate.price.prio_in_pusd is 'Input, priority tier, pico-USD';
comment on column aigate.price.prio_cached_in_pusd is 'Cached input, priority tier, pico-USD';
comment on column aigate.price.prio_out_pusd is 'Output, priority tier, pico-USD';
comment on column aigate.price.unit_pusd is 'One unit, pico-USD';
comment on column aigate.price.search_pusd is 'One web search, pico-USD';
comment on column aigate.price.request_pusd is 'One request, pico-USD';
comment on column aigate.price.tier_gt is 'Input tokens above which the t_ prices count for the whole request; null no tier';
comment on column aigate.price.tier_is_ge is 'true: at tier_gt tokens already';
comment on column aigate.price.context_window is 'Tokens, null unknown';
comment on column aigate.price.max_output is 'Tokens, null unknown';
comment on column aigate.price.unit is 'What unit_pusd counts: image, second, character, search_unit, ...';
comment on column aigate.price.flags is 'Abilities, bits AG_MF_ of catalog.h';
comment on column aigate.price.source is 'Where the figures come from';
comment on column aigate.price.created_at is 'When it was entered';
