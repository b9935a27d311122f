-- page: pipeline
-- title: How far the warehouse is
-- about: The last message of the stream that was applied.
-- models: meta.watermarks
SELECT consumer, stream, epoch, seq, seq_time, seen, batch, applied_at
FROM meta.watermarks
ORDER BY consumer
