-- page: pipeline
-- title: Refreshes
-- about: Refreshes of the models that changed something or failed, newest first.
-- models: meta.refreshes
SELECT id, started_at, finished_at, epoch_ms(finished_at) - epoch_ms(started_at) AS milliseconds, kind, reason, changed_sessions, sessions, batch, error
FROM meta.refreshes
ORDER BY started_at DESC, id DESC
LIMIT $limit OFFSET $offset
