-- page: overview
-- title: Projects
-- about: All projects with a session, whatever the days say: the choices of the project filter.
-- models: marts.dim_projects
SELECT project_id, project_name, project_path, total_sessions, total_messages, total_tool_calls, total_tokens, active_seconds, first_activity, last_activity
FROM marts.dim_projects
ORDER BY last_activity DESC, project_id
