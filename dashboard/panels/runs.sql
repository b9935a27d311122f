-- page: pipeline
-- title: Runs
-- about: What the service or a command did as a whole, newest first; status is clean, differs, partly or failed for a comparison.
-- models: meta.runs
SELECT kind, started_at, finished_at, epoch_ms(finished_at) - epoch_ms(started_at) AS milliseconds, status, detail::VARCHAR AS detail
FROM meta.runs
ORDER BY started_at DESC, kind
LIMIT $limit OFFSET $offset
