-- page: pipeline
-- title: Documents by day and source
-- about: Documents in the warehouse by the UTC day of their own time, and the newest arrival; undated are those dated by arrival.
-- models: raw.conversations
SELECT date, source, count(*) AS documents, count(DISTINCT session_id) AS sessions, max(extracted_at) AS newest_arrival,
    count(*) FILTER (WHERE timestamp_source IN ('ingested_at', 'extracted_at')) AS undated
FROM raw.conversations
WHERE date BETWEEN $from AND $to
GROUP BY date, source
ORDER BY date DESC, source
LIMIT $limit OFFSET $offset
