-- page: sessions
-- title: Sessions
-- about: Sessions that overlap the days; search looks into titles, ids and branches. Figures are of the whole session, tokens and cost with its sub-agents.
-- about: order: latest, cost, tokens, errors, duration or messages, the largest first. sessions and totals are of all that fit, not of this page.
-- models: marts.dim_sessions
SELECT session_id, title, project_id, session_start, session_end, duration_seconds, active_seconds, message_count, human_prompt_count,
    tool_call_count, tool_error_count, tool_pending_count, total_tokens, output_tokens, primary_model, primary_task_category, git_branch,
    subagent_count, compaction_count, api_error_count, orphan_result_count, cost_usd, subagent_cost_usd, unpriced_requests, lower_bound_requests, incomplete_requests,
    count(*) OVER () AS sessions, sum(cost_usd) OVER () AS all_cost_usd, (sum(total_tokens) OVER ())::BIGINT AS all_tokens
FROM marts.dim_sessions
WHERE session_end >= $from AND session_start < $to + INTERVAL 1 DAY AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id))
    AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], primary_model))
    AND ($search = '' OR contains(lower(concat_ws(' ', title, session_id, git_branch)), lower($search)))
    AND ($only <> 'errors' OR tool_error_count + api_error_count > 0)
ORDER BY CASE $order WHEN 'cost' THEN cost_usd WHEN 'tokens' THEN total_tokens WHEN 'errors' THEN tool_error_count + api_error_count
    WHEN 'duration' THEN active_seconds WHEN 'messages' THEN message_count END DESC NULLS LAST, session_end DESC, session_id
LIMIT $limit OFFSET $offset
