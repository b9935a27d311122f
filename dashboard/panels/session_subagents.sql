-- page: session
-- title: Sub-agents
-- about: What the session delegated, with what each run took; cost and tokens are those of the agent's own responses.
-- models: marts.fct_subagent_runs
SELECT agent_id, agent_type, status, model, depth, parent_agent_id, parent_tool_call_key, turn_number, started_at, ended_at, duration_ms, tool_call_count, tool_error_count,
    api_requests, output_tokens, total_tokens, cost_usd, unpriced_requests
FROM marts.fct_subagent_runs
WHERE session_id = $session
ORDER BY started_at, agent_id
LIMIT $limit OFFSET $offset
