-- page: pipeline
-- title: Dead letters
-- about: Messages of the stream that could not be converted, by reason; the letters themselves are in CONVERSATIONS_DLQ.
-- models: meta.dead_letters
SELECT reason, count(*) AS letters, max(batch) AS last_batch, max(_seq) AS last_seq
FROM meta.dead_letters
GROUP BY reason
ORDER BY letters DESC, reason
