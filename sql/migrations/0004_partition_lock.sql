-- 0004_partition_lock.sql - a new partition waits for readers of the ledger, and whoever reads next
-- waits behind it: after five seconds it gives up, and is tried again on the next day.

alter function aigate.ensure_partitions(int) set lock_timeout = '5s';
