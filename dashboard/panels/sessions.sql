-- page: sessions
-- title: Sessions
-- about: Sessions that overlap the days; search looks into titles, ids and branches. Figures are of the whole session, tokens and cost with its sub-agents.
-- about: With models chosen: sessions that used one of them in the days, whichever they used most.
-- about: order: latest, cost, tokens, errors, duration, messages, prompts or calls, the largest first; title, project, branch, model or work by their letters;
-- about: with a dash before it the other way round. sessions and totals are of all that fit, not of this page.
-- models: marts.dim_sessions, marts.fct_api_requests, marts.dim_projects
WITH users AS (
    SELECT DISTINCT session_id FROM marts.fct_api_requests
    WHERE len($models::VARCHAR[]) > 0 AND list_contains($models::VARCHAR[], model) AND date_key BETWEEN $from AND $to AND NOT is_api_error
),
found AS (
    SELECT sessions.*, count(*) OVER () AS sessions, sum(sessions.cost_usd) OVER () AS all_cost_usd, (sum(total_tokens) OVER ())::BIGINT AS all_tokens
    FROM marts.dim_sessions AS sessions
    WHERE timezone($zone, session_end)::DATE >= $from AND timezone($zone, session_start)::DATE <= $to
        AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id))
        AND (len($models::VARCHAR[]) = 0 OR session_id IN (SELECT session_id FROM users))
        AND ($search = '' OR contains(lower(concat_ws(' ', title, session_id, git_branch)), lower($search)))
        AND ($only <> 'errors' OR tool_error_count + api_error_count > 0)
),
-- What it is sorted by: a figure, where the largest is first, or a text; NULL is what is sorted by the other.
keyed AS (
    SELECT found.*, starts_with($order, '-') AS is_reversed,
        CASE ltrim($order, '-') WHEN 'latest' THEN epoch_ms(session_end)::DOUBLE WHEN 'cost' THEN cost_usd::DOUBLE WHEN 'tokens' THEN total_tokens
            WHEN 'errors' THEN tool_error_count + api_error_count WHEN 'duration' THEN active_seconds WHEN 'messages' THEN message_count
            WHEN 'prompts' THEN human_prompt_count WHEN 'calls' THEN tool_call_count END AS figure,
        CASE ltrim($order, '-') WHEN 'title' THEN lower(trim(title)) WHEN 'project' THEN lower(projects.project_name) WHEN 'branch' THEN lower(git_branch)
            WHEN 'model' THEN lower(primary_model) WHEN 'work' THEN primary_task_category END AS letters
    FROM found
    LEFT JOIN (SELECT project_id, project_name FROM marts.dim_projects) AS projects USING (project_id)
)
SELECT session_id, title, project_id, session_start, session_end, duration_seconds, active_seconds, message_count, human_prompt_count,
    tool_call_count, tool_error_count, tool_pending_count, total_tokens, output_tokens, primary_model, primary_task_category, git_branch,
    subagent_count, compaction_count, api_error_count, orphan_result_count, cost_usd, subagent_cost_usd, unpriced_requests, lower_bound_requests, incomplete_requests,
    sessions, all_cost_usd, all_tokens
FROM keyed
ORDER BY CASE WHEN is_reversed THEN -figure ELSE figure END DESC NULLS LAST,
    CASE WHEN NOT is_reversed THEN nullif(letters, '') END ASC NULLS LAST, CASE WHEN is_reversed THEN nullif(letters, '') END DESC NULLS LAST,
    session_end DESC, session_id
LIMIT $limit OFFSET $offset
