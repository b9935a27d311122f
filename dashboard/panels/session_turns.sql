-- page: session
-- title: Turns of the session
-- about: A turn is a prompt and what follows until the next one; position is where it begins among the main thread's steps.
-- models: marts.fct_turns, marts.fct_messages, marts.fct_tool_calls, raw.conversations
WITH steps AS (
    SELECT created_at FROM marts.fct_messages WHERE session_id = $session AND (agent_id IS NULL OR NOT is_sidechain)
    UNION ALL
    SELECT created_at FROM marts.fct_tool_calls WHERE session_id = $session AND (agent_id IS NULL OR NOT is_sidechain)
    UNION ALL
    SELECT effective_timestamp FROM raw.conversations
    WHERE session_id = $session AND source_type = 'system' AND subtype IN ('compact_boundary', 'microcompact_boundary') AND (agent_id IS NULL OR NOT is_sidechain)
),
places AS (
    SELECT created_at, min(place) AS position
    FROM (SELECT created_at, row_number() OVER (ORDER BY created_at) - 1 AS place FROM steps) AS numbered
    GROUP BY created_at
)
SELECT turns.turn_number, turns.started_at, turns.ended_at, turns.active_seconds, turns.task_category, turns.prompt_kind, turns.is_interrupted, turns.response_count,
    turns.tool_call_count, turns.tool_error_count, turns.api_error_count, turns.subagent_count, turns.model, turns.api_requests, turns.output_tokens, turns.total_tokens,
    turns.cost_usd, turns.unpriced_requests, turns.lower_bound_requests, places.position
FROM marts.fct_turns AS turns
LEFT JOIN places ON places.created_at = turns.started_at
WHERE turns.session_id = $session
ORDER BY turns.turn_number
LIMIT $limit OFFSET $offset
