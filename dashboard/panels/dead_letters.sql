-- page: pipeline
-- title: Dead letters
-- about: What could not be published or converted, by reason; the letters themselves are in CONVERSATIONS_DLQ.
-- models: meta.dead_letters
SELECT reason, count(*) AS letters, max(last_seen) AS last_seen, max(attempts) AS attempts
FROM meta.dead_letters
GROUP BY reason
ORDER BY letters DESC, reason
