-- page: pipeline
-- title: Models
-- about: What each model was built from, and when; a stale one waits for a refresh of its own.
-- models: meta.models
SELECT name, schema, materialized, stale, refresh_id, built_at
FROM meta.models
ORDER BY schema, name
