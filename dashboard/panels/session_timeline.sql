-- page: session
-- title: What happened
-- about: Prompts, responses, tool calls and compactions of the session in order, each with what was said, cut at 2,000 characters; step_content has all of it.
-- about: agent: main for the main thread, or a sub-agent's id, or nothing for all. only: prompts, errors or tools. steps is how many there are in all.
-- models: marts.fct_messages, marts.fct_tool_calls, marts.fct_api_requests, raw.conversations, raw.content_blocks
WITH steps AS (
    SELECT created_at, completed_at, 1 AS kind, role, message_kind AS what, turn_number, is_sidechain, agent_id, content_length AS length, thinking_length,
        CASE WHEN is_api_error THEN 'error' END AS status, NULL AS error_type, response_time_ms AS milliseconds, message_id AS id, message_key AS key, message_sequence AS place
    FROM marts.fct_messages WHERE session_id = $session AND $only <> 'tools'
        AND ($only <> 'prompts' OR role = 'user') AND ($only <> 'errors' OR is_api_error)
    UNION ALL
    SELECT created_at, completed_at, 2, NULL, tool_name, turn_number, is_sidechain, agent_id, input_length, NULL,
        status, error_type, execution_time_ms, tool_use_id, tool_call_key, tool_sequence
    FROM marts.fct_tool_calls WHERE session_id = $session AND $only <> 'prompts' AND ($only <> 'errors' OR status IN ('error', 'timeout', 'denied', 'orphan_result'))
    UNION ALL
    SELECT effective_timestamp, NULL, 0, NULL, subtype, NULL, is_sidechain, agent_id, NULL, NULL, NULL, NULL, NULL, _id, _id, source_offset
    FROM raw.conversations
    WHERE session_id = $session AND source_type = 'system' AND subtype IN ('compact_boundary', 'microcompact_boundary') AND $only = ''
),
page AS (
    SELECT *, count(*) OVER () AS steps
    FROM steps
    WHERE $agent = '' OR $agent = agent_id OR ($agent = 'main' AND (agent_id IS NULL OR NOT is_sidechain))
    ORDER BY created_at, kind, place, key
    LIMIT $limit OFFSET $offset
),
records AS MATERIALIZED (
    SELECT _key, response_key AS id, effective_timestamp
    FROM raw.conversations
    WHERE session_id = $session AND response_key IN (SELECT id FROM page WHERE kind = 1)
),
-- Where the blocks stand, before their texts are read.
places AS MATERIALIZED (
    SELECT blocks.rowid AS place, records.id, records.effective_timestamp
    FROM raw.content_blocks AS blocks
    JOIN records ON records._key = blocks._key
    WHERE blocks.session_id = $session AND blocks.block_type IN ('text', 'thinking')
),
texts AS (
    SELECT places.id, blocks.block_type, left(blocks.text, 2000) AS text, min({'at': places.effective_timestamp, 'place': blocks.block_index}) AS place
    FROM places
    JOIN raw.content_blocks AS blocks ON blocks.rowid = places.place
    GROUP BY ALL
),
contents AS (
    SELECT 1 AS kind, id, left(string_agg(text, chr(10) ORDER BY place) FILTER (WHERE block_type = 'text'), 2000) AS text,
        left(string_agg(text, chr(10) ORDER BY place) FILTER (WHERE block_type = 'thinking'), 2000) AS thinking,
        NULL::VARCHAR AS input, NULL::VARCHAR AS result, NULL::BIGINT AS result_length
    FROM texts
    GROUP BY id
    UNION ALL
    SELECT 2, tool_use_id, NULL, NULL, left(min(input), 2000), left(min(result_text), 2000), max(coalesce(result_length, 0))
    FROM raw.content_blocks
    WHERE session_id = $session AND block_type IN ('tool_use', 'tool_result') AND tool_use_id IN (SELECT id FROM page WHERE kind = 2)
    GROUP BY tool_use_id
)
SELECT page.created_at, page.completed_at, CASE page.kind WHEN 0 THEN 'event' WHEN 1 THEN 'message' ELSE 'tool_call' END AS kind, page.role, page.what, page.turn_number,
    page.is_sidechain, page.agent_id, page.length, page.thinking_length, page.status, page.error_type, page.milliseconds, page.key,
    contents.text, contents.thinking, contents.input, contents.result, contents.result_length,
    requests.model, requests.input_tokens, requests.output_tokens, requests.cache_read_tokens, requests.total_tokens, requests.cost_usd, requests.is_priced,
    requests.output_is_lower_bound, page.steps
FROM page
LEFT JOIN contents ON contents.kind = page.kind AND contents.id = page.id
LEFT JOIN marts.fct_api_requests AS requests ON requests.session_id = $session AND page.kind = 1 AND requests.message_id = page.id
ORDER BY page.created_at, page.kind, page.place, page.key
