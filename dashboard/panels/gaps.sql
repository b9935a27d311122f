-- page: pipeline
-- title: Gaps
-- about: What is missing for good: parts of a source's history that could not be read, or of the stream that never arrived.
-- models: meta.gaps
SELECT found_at, kind, source, namespace, reason, action, detail, from_at, to_at, destination, from_seq, to_seq
FROM meta.gaps
ORDER BY found_at DESC
LIMIT $limit OFFSET $offset
