-- 0025_ledger_defaults.sql - counters of ledger that are nearly always 0 are so by default.
--
-- The flusher leaves them out of rows where they are, with the columns that are NULL (its lean rows):
-- it copies into the parent, whose defaults count.  Nothing is rewritten or read: a default is a row
-- of the catalog, and rows that are there have their values.
alter table only aigate.ledger
	alter column cache_write_1h set default 0,
	alter column input_audio set default 0,
	alter column input_image set default 0,
	alter column cache_read_audio set default 0,
	alter column output_audio set default 0,
	alter column output_image set default 0,
	alter column accepted_prediction set default 0,
	alter column rejected_prediction set default 0,
	alter column web_searches set default 0,
	alter column units set default 0,
	alter column queue_us set default 0,
	alter column cache_status set default 0;
