-- page: overview
-- title: What the work was about
-- about: Prompts typed by a person by the category of their turn; the category is a rule on the prompt's words.
-- models: marts.fct_messages
SELECT task_category, count(*) AS prompts, count(DISTINCT session_id) AS sessions
FROM marts.fct_messages
WHERE date_key BETWEEN $from AND $to AND (len($projects::VARCHAR[]) = 0 OR list_contains($projects::VARCHAR[], project_id)) AND message_kind IN ('prompt', 'queued_command')
GROUP BY task_category
ORDER BY prompts DESC, task_category
