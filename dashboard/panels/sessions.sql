-- page: sessions
-- title: Sessions
-- about: Sessions that overlap the days, the latest first; search looks into titles, ids and branches.
-- about: Figures are of the whole session, tokens with its sub-agents.
-- models: marts.dim_sessions
SELECT session_id, title, project_id, session_start, session_end, duration_seconds, active_seconds, message_count, human_prompt_count,
    tool_call_count, tool_error_count, tool_pending_count, total_tokens, output_tokens, primary_model, primary_task_category, git_branch,
    subagent_count, compaction_count, api_error_count, orphan_result_count
FROM marts.dim_sessions
WHERE session_end >= $from AND session_start < $to + INTERVAL 1 DAY AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id))
    AND (len($models::VARCHAR[]) = 0 OR list_contains($models::VARCHAR[], primary_model))
    AND ($search = '' OR contains(lower(concat_ws(' ', title, session_id, git_branch)), lower($search)))
ORDER BY session_end DESC, session_id
LIMIT $limit OFFSET $offset
